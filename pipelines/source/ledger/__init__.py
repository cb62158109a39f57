"""The ledger in the source database: its tables, the triggers that feed it, and what is read from it.

names        what its objects are called
schema       its tables
key_text     a row's key as the text that records bear, in SQL
relations    the tables to be captured, as they are in the database: partitions, heirs, generated columns
triggers     the functions and triggers of one table
steps        statements that are one transaction, tried under a lock timeout, and printed
install      the steps that install, and those that remove
control      a migration's row: epoch, mapping, whether capture is on
status       what differs from what was installed
version      the version of items in a snapshot
marks        from marks to log rows
compaction   from log rows to item rows
"""
