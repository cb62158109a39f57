"""The mode `import` of the stage `backfill`: the records become objects in S3, and DynamoDB makes tables of them.

`options` is what the call can say, `begin` chooses the run and plans its objects, `objects` makes them, `imports` asks
DynamoDB for the tables and awaits them, `failed` tells of an import that failed, `run` is the stage.
"""

from pipelines.backfill.importing.options import ImportOptions
from pipelines.backfill.importing.run import run_import

__all__ = ["ImportOptions", "run_import"]
