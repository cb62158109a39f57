"""States of items applied to the rows of the source (docs/reverse.md, How an item is applied).

image           a state of an item, and what became of it
applier         what is called: a batch, and where it fails its parts
transaction     one transaction: what is newer, written, looked at again, settled in the ledger
work            whose row an image is, and which rows it wants
written_tables  what the database says of the tables
write_sql       the statements that write rows
row_writer      their order
checking        whether the rows give the item again
outsiders       items that were touched beside those that were to be written
surroundings    whether they were left alone
ledger_rows     versions, and what capture has written of the transaction itself
moving          tombstones of rows that may have moved
failure         what an error of the server means for one item, or for all
waiting         what could not be applied yet
"""
