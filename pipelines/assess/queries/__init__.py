"""Statements from a file: a script of SQL, or a log that PostgreSQL wrote."""
