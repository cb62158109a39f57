"""What a query is made with, beside its two implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UsageError
from pipelines.routing.compare import Compare, Difference, differences


@dataclass(frozen=True)
class Options:
    """`key`: of a call's arguments, what `canary` shares by. `clean`: of each answer, before they are compared.
    `snapshot`: of RDS's answer, before the caller has it: for answers that callers change, or that cannot be read in
    another thread. `noise`: the share of shadow calls that ask RDS twice, in place of DynamoDB."""

    key: Callable[..., object] | None = None
    clean: Callable[[Any], object] | None = None
    snapshot: Callable[[Any], Any] | None = None
    ignore: tuple[str, ...] = ()
    compare: Compare | None = None
    deadline_seconds: float = 1.0
    fallback: bool = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not self.deadline_seconds > 0:
            raise UsageError(f"deadline_seconds {self.deadline_seconds}: give seconds above 0")
        if not 0 <= self.noise <= 1:
            raise UsageError(f"noise {self.noise}: give a share from 0 to 1")

    def kept(self, answer: Any) -> Any:
        return answer if self.snapshot is None else self.snapshot(answer)

    def differences(self, rds: Any, dynamodb: Any) -> tuple[Difference, ...]:
        """What cannot be compared counts as different."""
        try:
            if self.clean is not None:
                rds, dynamodb = self.clean(rds), self.clean(dynamodb)
            if self.compare is None:
                return differences(rds, dynamodb, self.ignore)
            return () if self.compare(rds, dynamodb) else (Difference("", "differs"),)
        except Exception:
            return (Difference("", "error"),)
