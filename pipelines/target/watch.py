"""How far a backfill is, from what its buckets leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pipelines.progress import Progress
from pipelines.target.backfill_run import BackfillFolder, BucketAccount


class Watch:
    """Adds up what the buckets say that are under way, for the progress line and for `heard`."""

    def __init__(
        self,
        folder: BackfillFolder,
        buckets: Iterable[int],
        retried: Mapping[int, BucketAccount],
        progress: Progress,
        heard: Callable[[Progress], None],
    ) -> None:
        """`retried`: of these, the buckets whose failed items alone are written, with their accounts of before."""
        self._folder = folder
        self._open = set(buckets)
        self._retried = retried
        self._finished_items = 0
        self._progress = progress
        self._heard = heard

    def look(self) -> None:
        for account in self._folder.accounts(sorted(self._open)):
            before = self._retried.get(account.bucket)
            if before is None or account.revision > before.revision:
                self._open.discard(account.bucket)
                self._finished_items += account.records if before is None else before.failed
        under_way = sum(self._folder.progress(bucket) for bucket in self._open)
        self._progress.advance(max(self._finished_items + under_way - self._progress.done, 0))
        self._heard(self._progress)
