"""The dump: every item of the mapping's DynamoDB tables as a record of the target side.

    dumps/<dump_id>/plan.json                       what this dump is of: snapshot, mapping, buckets, segments
                    records/bucket=<n>/<segment>-<table>.parquet
                    tombstones/bucket=<n>/…         the same of tombstones, their items being their keys
                    segments/<segment>-<table>.json a segment's counts, written once its files are in place
                    manifest.json                   last

A segment without its counts is read again from its start. Tombstones are absent for the diff; of their versions it
asks where the source has the key.
"""

from pipelines.dump.run import dump_tables

__all__ = ["dump_tables"]
