"""Whether an endpoint has PartiQL batches: found out by the first that is sent, once in a process."""

from __future__ import annotations

from collections import defaultdict

from pipelines.target.failures import THROTTLED
from pipelines.target.wire import Refusal

_ERRORS_ENOUGH = 3


class Statements:
    """Of one endpoint. Once a batch has worked, no failure shakes that."""

    def __init__(self) -> None:
        self._works: bool | None = None
        self._errors = 0

    @property
    def may_work(self) -> bool:
        return self._works is not False

    def work(self) -> None:
        self._works = True

    def lack(self) -> None:
        self._works = False

    def refused(self, refusal: Refusal) -> None:
        """A batch as a whole. That the endpoint is busy or was not heard says nothing; a server's error says it once
        it has been said several times: some stand-ins have nothing better to say."""
        if self._works or refusal.unheard is not None or refusal.code in THROTTLED:
            return
        self._errors += 1
        if not refusal.passing or self._errors >= _ERRORS_ENOUGH:
            self._works = False


_KNOWN: defaultdict[str, Statements] = defaultdict(Statements)


def statements_of(endpoint: str) -> Statements:
    """What this process has found out of it."""
    return _KNOWN[endpoint]
