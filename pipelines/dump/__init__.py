"""The dump: every item of the mapping's DynamoDB tables as a record of the target side.

    dumps/<dump_id>/plan.json                       what this dump is of: snapshot, mapping, buckets, segments
                    records/bucket=<n>/<segment>-<table>.parquet
                    tombstones/bucket=<n>/…         the same of tombstones, their items being their keys
                    segments/<segment>-<table>.json a segment's counts, written once its files are in place
                    exports.json                    the exports that it has asked DynamoDB for
                    manifest.json                   last

A segment is one of a parallel scan or, of an export, a data file; without its counts it is read again from its start.
Tombstones are absent for the diff; of their versions it asks where the source has the key.
"""

from pipelines.dump.run import dump_tables

__all__ = ["dump_tables"]
