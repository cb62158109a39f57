"""The ledger in the source database: its tables, the triggers that feed it, and what is read from it.

Its objects, and how they come there:

names            what they are called
schema           its tables
control          a migration's row: epoch, mapping, whether capture is on
epoch            the epoch as the warehouse knows it
relations        the tables to be captured, as they are in the database: partitions, heirs, generated columns
key_text         a row's key as the text that records bear, in SQL
row_functions    what a table's triggers ask of its rows
touch_writer     what a row trigger's function says to write
triggers         the functions and triggers of one table
follow           what a transaction has touched, told to the session itself
steps            statements that are one transaction, tried under a lock timeout, and printed
install          the steps that install, and those that remove
installed        what is there of one migration
status           what differs from what was installed

What is read from it:

session          short transactions that write it, and snapshots that read it with the rows
state            where versions may be asked for, and where not, and why
version          the version of items in a snapshot
undelivered      what is undelivered, by definition
health           how far the target is behind
delivered_since  whether relays have delivered what a snapshot has not seen

Deliveries:

reach, marks     the roots that a mark reaches; from marks to log rows
compaction       from log rows to item rows
item_row         rows of the item table, and the keys that they keep
left_keys        the DynamoDB keys that items have left
due              when a relay is to see to an item
claim            a lease on items
mark_delivered   the end of a delivery
relays           what relays say of themselves
touch            raises an item's version (touch_unmoved: of those that have not changed)
replay           has items delivered once more
backfills        they and sweeps keep out of each other's way
"""
