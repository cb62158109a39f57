"""Where the objects lie that DynamoDB reads or writes by itself: always in S3, whatever the warehouse is."""

from __future__ import annotations

from pipelines.errors import UsageError
from pipelines.warehouse.place import Place
from pipelines.warehouse.s3_place import S3Place


def s3_target(s3: str | None, run_folder: Place, name: str, what: str, why: str) -> S3Place:
    """Below `s3`, what `--s3` says, in `<migration>/<run_id>/`; without it in `name` of the run's own folder.

    Raises UsageError, with `what` or `why`, where that is not in S3.
    """
    if s3 is not None:
        place = Place.of(s3)
        if not isinstance(place, S3Place):
            raise UsageError(f"--s3 {s3}: {what}; give s3://bucket/prefix")
        return place / run_folder.parent.parent.name / run_folder.name
    if not isinstance(run_folder, S3Place):
        raise UsageError(f"{why}, and the warehouse is on a disk; say where they can lie by --s3 s3://bucket/prefix")
    return run_folder / name
