"""Who answers for the migrations, as Dagster shows it beside each asset."""

from __future__ import annotations

import re

from pipelines.errors import UsageError
from pipelines.settings import optional

OWNERS = "CROSSOVER_OWNERS"

_OWNER = re.compile(r"team:[A-Za-z0-9_-]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,7}")


def owners() -> list[str]:
    """Of CROSSOVER_OWNERS, separated by commas; none where it is not set. Raises UsageError."""
    named = [name.strip() for name in (optional(OWNERS) or "").split(",")]
    found = [name for name in named if name]
    for name in found:
        if not _OWNER.fullmatch(name):
            raise UsageError(f"{OWNERS}: {name!r} is no owner; write team:NAME or an e-mail address, commas between")
    return found
