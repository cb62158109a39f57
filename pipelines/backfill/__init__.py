"""The stage `backfill`: a snapshot's records become items of the DynamoDB tables.

`cold` is for tables that were empty when the run began and that nobody else writes meanwhile: it overwrites. `live`
writes beside relays and the application: an item is put only where nothing newer is. `import` has DynamoDB make new
tables of objects in S3. A run goes bucket by bucket, and one that was interrupted, even by SIGKILL, is taken up again
by the next call: a bucket whose account is there is done, but for the items that failed, and any other is written again
from its start, with the same result. A call can be for some parts of a run only.

`wanted` chooses the run, `allowed` says which snapshot may be written how, `ledger` begins and ends a live run and
judges its refusals, `refused` those of rows with versions of their own, `part` shares the buckets out, `writing` has
them written, `importing` is the mode import, `accounts` sees that everything is accounted for, `run` is the stage.
"""

from pipelines.backfill.run import estimate, run_backfill

__all__ = ["estimate", "run_backfill"]
