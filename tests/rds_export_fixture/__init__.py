"""Exports of DB snapshots as Amazon RDS writes them, made from a live PostgreSQL. Shares nothing with the reader."""
