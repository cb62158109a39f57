"""What all jobs of a migration share about how they run: tags, pools, and the time they may take.

A pool is of one stage of one migration: where an instance gives pools a limit of one, two runs of a stage wait for one
another. The warehouse's locks, which refuse the second, are the last guard where it gives none.
"""

from dagster_defs.step import group_of

MIGRATION_TAG = "crossover/migration"
JOB_TAG = "crossover/job"

_HOUR = 3600
MOST_SECONDS = {
    "backfill": 7 * 24 * _HOUR,
    "verify": 24 * _HOUR,
    "repair": 24 * _HOUR,
    "relay_drain": _HOUR,
    "prune": _HOUR,
    "assess": _HOUR,
}
"""After that the daemon stops a run as *Terminate* does, if it monitors runs: what is stopped goes on when launched
again."""


def tags_of(migration: str, job: str) -> dict[str, str]:
    """An instance that retries runs launches those again whose process died, as often as it is set to, and none that
    failed: its step has been retried where that could help."""
    return {
        MIGRATION_TAG: migration,
        JOB_TAG: job,
        "dagster/max_runtime": str(MOST_SECONDS[job]),
        "dagster/retry_on_asset_or_op_failure": "false",
    }


def pool_of(migration: str, stage: str) -> str:
    return f"{group_of(migration)}_{stage}"
