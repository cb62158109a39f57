"""A mapping drafted from a database's evidence and its access patterns, by the rules of docs/assess.md.

asked      what is asked of each table, with how much of the load
places     what a template can say of a column, and names that do not collide
embeds     which rows an item holds of other tables
keys       the table's key of each item type, and its indexes
shape      what all that comes to: a draft, before it is text
text       the mapping's text, with its reasons as comments
draft      the whole: a text that compiles, and the choices that made it
"""
