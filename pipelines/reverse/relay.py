"""A reverse relay at work: round after round the shards' next records, applied together with how far they go.

The rows, the versions and the position of each shard are written in one transaction, so that whatever dies, the next
one goes on where the rows are. An item that cannot be applied holds up no other: it waits in the ledger, and is read
afresh for each next try.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice

from pipelines.relay.pace import LONGEST_SECONDS, Pace
from pipelines.reverse.follow import Followed, Following, Unread
from pipelines.reverse.opened import READERS, Opened, applied_item_types
from pipelines.reverse.pages import Pages
from pipelines.reverse.shard_reader import Page
from pipelines.reverse.shards import Position
from pipelines.reverse.standing import beat
from pipelines.reverse.tally import Tally
from pipelines.reverse.turn import is_asked_aside
from pipelines.reverse.waiting_items import try_waiting
from pipelines.source.ledger.clock import now

REFRESH_SECONDS = 30.0
IDLE_PAGES = 3
"""So many empty pages in a row, and a shard counts as read to its tip: DynamoDB can give an empty page before it."""
_ROUND_SECONDS = 0.2  # each shard may be asked five times a second
_BEAT_SECONDS = 5.0


class ReverseRelay:
    """For one thread, which is the one at work. `stop`: it ends once that is set."""

    def __init__(
        self,
        opened: Opened,
        holder: str,
        tally: Tally,
        stop: threading.Event,
        report: Callable[[], None],
        idle_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._opened = opened
        self._holder = holder
        self._tally = tally
        self._stop = stop
        self._report = report
        self._pace = Pace(idle_seconds)
        self._following = Following(opened)
        self._pages = Pages(opened, self._following, tally)
        self._refreshed_at = self._beat_at = float("-inf")
        self._caught_up_at: datetime | None = None
        self._followed: frozenset[str] | None = None  # item types, as of the last refresh

    def run(self) -> None:
        """Until it is told to stop, or asked aside. Raises StageError, SourceError, TargetError, PassingError."""
        with ThreadPoolExecutor(READERS, "shard") as readers:
            while not self._stop.is_set():
                began = time.monotonic()
                self.round(readers)
                self._report()
                if is_asked_aside(self._opened.connection, self._opened.migration):
                    return
                self._stop.wait(max(self._pace.seconds(), began + _ROUND_SECONDS - time.monotonic()))

    def round(self, readers: ThreadPoolExecutor) -> int:
        """A page of each shard that can be read, and what waits and is due; how many records there were."""
        began = now(self._opened.connection)
        followed = applied_item_types(self._opened.connection, self._opened.migration)
        is_due = time.monotonic() >= self._refreshed_at + REFRESH_SECONDS
        if self._pages.shards_change or is_due or followed != self._followed:  # of what is not followed nobody can tell
            self._refresh()
            self._followed = followed
        records = self._read_shards(readers)
        if not self._stop.is_set():
            for one in self._following:
                one.rests(began, IDLE_PAGES)
        item_types = applied_item_types(self._opened.connection, self._opened.migration)
        tried = try_waiting(self._opened, item_types, self._tally)
        self._caught_up_at = self._applied_until(began) or self._caught_up_at
        if tried or time.monotonic() >= self._beat_at + _BEAT_SECONDS:  # what waits may wait for having been told so
            self.beat()
        if records or tried:
            self._pace.worked(more=bool(records))
        else:
            self._pace.found_nothing()
        return records

    def has_read_until(self, moment: datetime) -> bool:
        """Whether all that was written before is applied, as far as the shards tell."""
        until = self._applied_until(moment)
        return until is not None and until >= moment

    def unread(self, moment: datetime) -> tuple[Unread, ...]:
        """The shards that are to blame where `has_read_until` is not so."""
        return tuple(shard for one in self._following for shard in one.unread(moment))

    def beat(self) -> None:
        """The ledger says that it lives, and how far it is."""
        with self._opened.session.writing() as connection:
            beat(connection, self._opened.migration, self._holder, self._caught_up_at)
        self._beat_at = time.monotonic()

    @property
    def _can_tell(self) -> bool:
        """Not before the first round, nor in one that was cut short or after which children are to be looked for."""
        return self._refreshed_at > float("-inf") and not self._pages.shards_change and not self._stop.is_set()

    def _applied_until(self, at_most: datetime) -> datetime | None:
        """All that was written before is applied, in each shard; None where one has not told anything yet."""
        if not self._can_tell:
            return None
        moments = [one.until.get(position.shard) for one in self._following for position in one.readable()]
        known = [moment for moment in moments if moment is not None]
        return min([at_most, *known]) if len(known) == len(moments) else None

    def _refresh(self) -> None:
        self._pages.shards_change = False
        self._following.refresh()
        self._refreshed_at = time.monotonic()

    def _read_shards(self, readers: ThreadPoolExecutor) -> int:
        records = 0
        wanted = [(one, position) for one in self._following for position in one.readable()]
        for some in _parts(wanted, READERS):
            pages = list(readers.map(_read, some))
            records += sum(len(page.records) for _, page in pages)
            self._pages.apply(pages)
            if self._stop.is_set():
                break
        return records


def _read(one: tuple[Followed, Position]) -> tuple[Followed, Page]:
    followed, position = one
    return followed, followed.reader.read(position)


def _parts(wanted: Iterable[tuple[Followed, Position]], size: int) -> Iterator[list[tuple[Followed, Position]]]:
    rest = iter(wanted)
    while some := list(islice(rest, size)):
        yield some
