"""The dump: every item of the mapping's DynamoDB tables as a record of the target side.

    dumps/<dump_id>/plan.json                       what this dump is of: snapshot, mapping, buckets, segments
                    records/bucket=<n>/<segment>-<table>.parquet
                    segments/<segment>-<table>.json a segment's counts, written once its files are in place
                    manifest.json                   last

A segment without its counts is read again from its start. Tombstones are counted and not written: they are absent
for the diff.
"""

from pipelines.dump.run import dump_tables

__all__ = ["dump_tables"]
