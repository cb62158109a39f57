"""Reads a database's own evidence of what it holds and how it is used, and says which access pattern each statement is.

evidence     what was seen of the database, as data: evidence.json
patterns     what its statements are, as data: patterns.json
collect      evidence from PostgreSQL's catalogue and statistics; the only part that connects
queries      statements from a file: SQL, or a server's log
statements   SQL to what matters of it: a shape without values, the tables, tests and joins of it
classify     from evidence and statements to patterns: pure functions
"""
