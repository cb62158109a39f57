"""Every error that Crossover raises on purpose.

    CrossoverError            one clear line for the user; the command line prints it and exits 2
    ├── UsageError            the call itself is wrong: an option, a missing setting
    ├── MappingError          the mapping file is wrong; carries all its problems at once
    ├── SourceError           the source database refused, is away, or is not what the mapping says
    ├── TargetError           the DynamoDB endpoint refused, is away, or a table is not what the mapping says
    ├── WarehouseError        the warehouse cannot be read or written, or holds something newer or half-written
    ├── StageError            a stage cannot start or go on: wrong order, mixed mappings, a run already under way
    ├── AccountsError         counts that must balance do not
    └── MonitoringError       CloudWatch or SNS refused, or is away

Messages say what happened, where, and what to do; they never carry a secret or a sensitive value.
"""

from __future__ import annotations

from collections.abc import Sequence


class CrossoverError(Exception):
    """A failure with one clear line for the user.

    `code` is stable and machine-readable; `--json` prints it as `{"error": {"code", "message"}}`.
    """

    code = "failed"


class UsageError(CrossoverError):
    code = "usage"


class MappingError(CrossoverError):
    """The mapping cannot be used. `problems` lists every one found, each a line of its own; `paths`: of those of the
    compiler, where in the file each is, as keys and list positions from its top."""

    code = "mapping"

    def __init__(self, problems: list[str], paths: Sequence[tuple[str | int, ...]] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.paths = paths


class SourceError(CrossoverError):
    code = "source"


class TargetError(CrossoverError):
    code = "target"


class WarehouseError(CrossoverError):
    code = "warehouse"


class StageError(CrossoverError):
    code = "stage"


class AccountsError(CrossoverError):
    code = "accounts"


class MonitoringError(CrossoverError):
    code = "monitoring"
