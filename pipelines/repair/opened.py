"""What a repair works with: a judge, a deliverer where there is a ledger, and writers that compare and set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from pipelines.deliver.deliverer import Deliverer
from pipelines.deliver.opened import opened_deliverer, opened_ledger
from pipelines.diff.paths import accepted_by
from pipelines.diff.run import LEDGER
from pipelines.errors import StageError
from pipelines.judging.judge import Judge
from pipelines.judging.opened import opened_judge
from pipelines.judging.verdict import Verdict
from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.plan import NO_EQUIVALENCES, MigrationPlan
from pipelines.migration import Migration
from pipelines.repair.decision import Rules
from pipelines.repair.image import Key
from pipelines.source.connect import identity, source_url
from pipelines.source.ledger.masters import require_rds_first
from pipelines.source.ledger.version import first_version
from pipelines.target.batch_get import MOST_KEYS, ItemReader
from pipelines.target.client import Address, dynamodb_client
from pipelines.target.exact_write import Exact, ExactWrite, ExactWriter
from pipelines.target.scan import WireItem
from pipelines.target.wire import Wire
from pipelines.warehouse.layout import checked_id, read_manifest
from pipelines.warehouse.manifest import DiffManifest, SnapshotManifest

WRITERS = 8
LONGEST_ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Tools:
    """`deliverer`: None where no item type has a ledger, or nothing is to be written."""

    judge: Judge
    reader: ItemReader
    writer: ExactWriter
    pool: ThreadPoolExecutor
    deliverer: Deliverer | None

    @property
    def plan(self) -> MigrationPlan:
        return self.judge.plan

    def rules(self, item_type: str | None, asked: frozenset[Verdict]) -> Rules:
        control = self.judge.state.control
        if item_type is None:
            return Rules(asked, None, True)
        item = self.plan.item(item_type)
        captured = control is not None and self.judge.has_ledger(item_type)
        next_epoch = first_version(control.epoch + 1) if control is not None and captured else None
        return Rules(asked, next_epoch, key_names_row(item), item.version is not None)

    def items(self, keys: Iterable[Key]) -> dict[Key, WireItem]:
        """What stands at these keys, as DynamoDB has it, tombstones included."""
        by_table: dict[str, list[str]] = {}
        for table, key in dict.fromkeys(keys):
            by_table.setdefault(table, []).append(key)
        pieces = [
            (table, wanted[at : at + MOST_KEYS])
            for table, wanted in by_table.items()
            for at in range(0, len(wanted), MOST_KEYS)
        ]
        found: dict[Key, WireItem] = {}
        answers = self.pool.map(lambda piece: self.reader.read_wire(*piece), pieces)
        for (table, _), items in zip(pieces, answers, strict=True):
            found.update(((table, key), item) for key, item in items.items())
        return found

    def write(self, writes: Sequence[ExactWrite]) -> list[Exact]:
        """In their order; several at once."""
        return list(self.pool.map(self.writer.write, writes))


def run_to_repair(migration: Migration, run_id: str) -> DiffManifest:
    """Raises WarehouseError where it did not finish, StageError where the mapping has changed since or where the source
    is another one."""
    diff = read_manifest(migration.folder.diff(checked_id(run_id)), DiffManifest, migration.mapping_hash)
    snapshot = read_manifest(migration.folder.snapshot(diff.snapshot_id), SnapshotManifest, migration.mapping_hash)
    here = identity(source_url(migration.mapping))
    if here != snapshot.source:
        raise StageError(f"run {run_id} compared {snapshot.source}, this source is {here}; verify afresh")
    return diff


@contextmanager
def opened_tools(migration: Migration, diff: DiffManifest, *, writes: bool) -> Iterator[Tools]:
    """Raises StageError where capture has a gap, or is not there any more; SourceError, TargetError."""
    url = source_url(migration.mapping)
    with ExitStack() as stack:
        judge = stack.enter_context(opened_judge(migration, url))
        _require_whole(judge, diff)
        judge.options = replace(judge.options, equivalent=_Accepting(judge.plan))
        deliverer = None
        if writes and judge.state.gap is None:
            ledger = stack.enter_context(opened_ledger(migration, url))
            require_rds_first(ledger.session.connection, migration.mapping.migration, "and a repair would write to it")
            deliverer = stack.enter_context(opened_deliverer(migration, ledger))
        wire = stack.enter_context(Wire(Address.of(dynamodb_client()), WRITERS, LONGEST_ANSWER_SECONDS))
        pool = stack.enter_context(ThreadPoolExecutor(WRITERS, thread_name_prefix="repair"))
        yield Tools(judge, ItemReader(wire), ExactWriter(wire), pool, deliverer)


def _require_whole(judge: Judge, diff: DiffManifest) -> None:
    """Without the versions of a ledger that there was, right items would be taken for wrong ones."""
    state = judge.state
    if state.gap is None or (state.control is None and diff.mode != LEDGER):
        return
    raise StageError(f"nothing can be repaired: {state.gap}")


class _Accepting:
    """Whether two items differ as the mapping allows."""

    def __init__(self, plan: MigrationPlan) -> None:
        self._rules = {item.name: item.compare for item in plan.items}

    def __call__(self, item_type: str, source: str, target: str) -> bool:
        return bool(accepted_by(self._rules.get(item_type, NO_EQUIVALENCES), source, target))
