"""Reads what Amazon RDS exports of a DB snapshot into S3, and has RDS export one. The reference: docs/rds-export.md."""
