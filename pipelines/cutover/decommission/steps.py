"""The decommission, step by step; killed at any moment, the same call goes on after the last step that is on record.

kept_up          the source has all that DynamoDB had a moment ago: the groups' relay applies to it again
verified         a full verification of both stores, everything compared, nothing sampled
archived         every column of the mapped tables as Parquet, read back
left             the source is not kept up any more; its guards stay
proven           the proof, over the archive's files as they are then
capture_removed  triggers and ledger are gone; guards stay until the source is deleted

Nobody waits meanwhile: DynamoDB is the master, and takes writes all the time. RDS takes none but the reverse relay's,
which is the freeze; a verification judges what is under way again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from pipelines.capture import uninstall_capture
from pipelines.cutover.decommission.archive import archive_source, check_archive
from pipelines.cutover.decommission.farewell import farewell
from pipelines.cutover.decommission.progress import Progress, Step
from pipelines.cutover.decommission.proof import JSON, OWN, proof_document, write_proof
from pipelines.cutover.gates_runs import LEDGER
from pipelines.cutover.record import trail
from pipelines.cutover.thresholds import Thresholds
from pipelines.cutover.writes import lines, switch_each, told
from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.progress import tell
from pipelines.reverse.health import read_reverse_health
from pipelines.source.connect import connect
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import ControlTable
from pipelines.warehouse.layout import new_id, read_manifest
from pipelines.warehouse.manifest import DiffManifest
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from pydantic import JsonValue

Verify: TypeAlias = Callable[[Migration], str]
"""A full verification with its report; returns the run's id, whatever it found."""

FOLDER = "decommission"
WAIT_SECONDS = 60.0
"""For the reverse relay to catch up, after the switch has compared everything."""
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Decommission:
    """`after`: told each step that is done. `now`: of the records."""

    migration: Migration
    url: str
    table: ControlTable
    thresholds: Thresholds
    verify: Verify
    now: Callable[[], datetime]
    say: Callable[[str], None] = tell
    after: Callable[[Step], None] = lambda _: None
    wait_seconds: float = WAIT_SECONDS

    def run(self) -> tuple[str, ...]:
        """A line for each step, and what is left to people. Raises StageError, and what the steps' parts raise."""
        progress = Progress.read(self.table)
        if not progress.id or self._is_stale(progress):
            progress = progress.afresh(self.table, new_id())
        work: Mapping[Step, Callable[[Progress], Mapping[str, JsonValue]]] = {
            Step.KEPT_UP: self._keep_up,
            Step.VERIFIED: self._verify,
            Step.ARCHIVED: self._archive,
            Step.LEFT: self._leave,
            Step.PROVEN: self._prove,
            Step.CAPTURE_REMOVED: self._remove_capture,
        }
        for number, (step, do) in enumerate(work.items(), 1):
            if step not in progress.steps:
                name = self.migration.mapping.migration
                self.say(f"decommission of {name}: step {number} of {len(work)}, {step.replace('_', ' ')}")
                progress = progress.done(self.table, step, do(progress), self.now())
                self.after(step)
        done = (f"{step.replace('_', ' ')}: {progress.steps[step].get('said')}" for step in Step)
        return (*done, *farewell(self.url, self.migration.mapping.migration))

    def _is_stale(self, progress: Progress) -> bool:
        """What was verified long before the source was left says nothing of it any more."""
        begun = progress.at(Step.KEPT_UP)
        allowed = timedelta(hours=self.thresholds.max_age_hours)
        return begun is not None and Step.LEFT not in progress.steps and self.now() - begun > allowed

    def _keep_up(self, _: Progress) -> Mapping[str, JsonValue]:
        groups = [*switch_each(self.migration, self.url, self.table, Phase.DYNAMODB_FIRST, self.say)]
        lag = self._in_step()  # what waited when a group was switched waits no more
        said = "; ".join(map(told, groups))
        return {"lag_seconds": lag, "said": f"{said}; the source is {lag:.1f} s behind DynamoDB"}

    def _in_step(self) -> float:
        """By how many seconds the source is behind, once that is little and nothing waits."""
        deadline = time.monotonic() + self.wait_seconds
        limit = self.migration.mapping.checks.lag_limit_seconds
        while True:
            with connect(self.url) as connection:
                found = read_reverse_health(connection, self.migration.mapping.migration)
            if found.is_in_step and found.running and found.lag_seconds is not None and found.lag_seconds <= limit:
                return found.lag_seconds
            if time.monotonic() >= deadline:
                raise StageError(
                    "the source is not in step with DynamoDB: `crossover relay … --reverse --status` says why; "
                    "mend that, then run this again"
                )
            time.sleep(_PAUSE_SECONDS)

    def _verify(self, _: Progress) -> Mapping[str, JsonValue]:
        run_id = self.verify(self.migration)
        found = self._diff(run_id)
        if against := against_final(found, self.migration.mapping_hash, read_epoch(self.migration.folder.root)):
            raise StageError(
                f"the final verification {run_id} is not good: {'; '.join(against)}; mend that, then run it again"
            )
        said = f"run {run_id}, {found.union:,} items, consistent, everything compared"
        return {"run_id": run_id, "said": said}

    def _archive(self, progress: Progress) -> Mapping[str, JsonValue]:
        folder = self._archive_place(progress)
        found = archive_source(self.migration, self.url, folder, progress.id)
        said = f"{folder}: {found.rows:,} rows of {len(found.tables):,} tables in {len(found.files):,} files"
        return {"place": str(folder), "rows": found.rows, "said": said}

    def _leave(self, _: Progress) -> Mapping[str, JsonValue]:
        groups = [*switch_each(self.migration, self.url, self.table, Phase.DYNAMODB_ONLY, self.say)]
        return {"said": f"the source is not kept up any more ({len(groups):,} groups); it stays frozen"}

    def _prove(self, progress: Progress) -> Mapping[str, JsonValue]:
        archive = check_archive(self._archive_place(progress))
        diff = self._diff(str(progress.steps[Step.VERIFIED]["run_id"]))
        name, mapping_hash = self.migration.mapping.migration, self.migration.mapping_hash
        document = proof_document(name, mapping_hash, trail(self.table), diff, archive, self.now())
        folder = self._place(progress)
        page = write_proof(folder, document)
        digest = str(document[OWN])
        return {"page": str(page), OWN: digest, "said": f"{page}, and {folder / JSON}, SHA-256 {digest}"}

    def _remove_capture(self, _: Progress) -> Mapping[str, JsonValue]:
        uninstall_capture(self.migration, self.url, for_good=True)
        return {"said": "triggers and ledger are gone; the guards stay until the source is deleted"}

    def _diff(self, run_id: str) -> DiffManifest:
        return read_manifest(self.migration.folder.diff(run_id), DiffManifest)

    def _place(self, progress: Progress) -> Place:
        return self.migration.folder.root / FOLDER / progress.id

    def _archive_place(self, progress: Progress) -> Place:
        return self._place(progress) / "source"


def against_final(found: DiffManifest, mapping_hash: str, epoch: int) -> tuple[str, ...]:
    """Why it cannot be the last one."""
    judgements = (
        (not found.consistent, f"not consistent: {'; '.join(found.reasons)}"),
        (found.coverage < 1, f"{found.coverage:.0%} of the buckets compared"),
        (found.mode != LEDGER, "not by the ledger's versions"),
        (found.mapping_hash != mapping_hash, "made with another mapping"),
        (found.epoch != epoch, f"of epoch {found.epoch}, not {epoch}"),
        (found.union == 0, "nothing was compared"),
    )
    return tuple(said for is_so, said in judgements if is_so)


def undo(migration: Migration, url: str, table: ControlTable, say: Callable[[str], None] = tell) -> tuple[str, ...]:
    """Before capture is removed. What was archived stays. Raises StageError where it is too late."""
    progress = Progress.read(table)
    if Step.PROVEN in progress.steps:
        raise StageError(f"{migration.mapping.migration}: the decommission is proven, and goes on: `advance`")
    said = tuple(lines(switch_each(migration, url, table, Phase.DYNAMODB_ONLY, say)))
    if progress.version:
        progress.afresh(table, "")
    return said
