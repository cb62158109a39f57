"""What a verdict does not speak for. A passing run must say it as loudly as a failing one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from expectations.display import visible
from expectations.report_data import Unchecked
from expectations.words import counted
from pipelines.mapping.plan import AttributeNames, MigrationPlan
from pipelines.warehouse.manifest import DiffManifest, DumpManifest, RecordsManifest, SnapshotManifest


def unchecked_of(
    plan: MigrationPlan,
    snapshot: SnapshotManifest,
    records: RecordsManifest,
    dump: DumpManifest,
    diff: DiffManifest,
) -> tuple[Unchecked, ...]:
    return (
        *_coverage(diff),
        *_mode(diff, snapshot, dump),
        *_rejects(records),
        *_filtered_rows(records),
        *_embedded_rows(records),
        *_unread_columns(snapshot),
        *_equivalences(plan),
        *_tombstones(dump),
        *_masked(plan),
    )


def _coverage(diff: DiffManifest) -> Iterator[Unchecked]:
    if diff.coverage < 1:
        yield Unchecked(
            f"{1 - diff.coverage:.1%} of the keys",
            f"Only {diff.coverage:.1%} of the {diff.buckets:,} buckets were compared. Nothing is known of the others.",
        )


def _mode(diff: DiffManifest, snapshot: SnapshotManifest, dump: DumpManifest) -> Iterator[Unchecked]:
    if diff.not_judged_again:
        yield Unchecked(
            f"{counted(diff.not_judged_again, 'difference')} not judged again",
            f"What is said of them is the snapshot's word alone: {visible(diff.not_judged_because)}.",
        )
    if diff.mode != "ledger" and not diff.judged_again:
        yield Unchecked(
            "Writes under way",
            "There is no ledger, and nothing was read twice. A row written after the snapshot "
            f"({snapshot.started_at:%H:%M:%S} UTC) and before the end of the dump ({dump.finished_at:%H:%M:%S} UTC) "
            "can appear as a difference that is none; stop the writers and verify again to be certain.",
        )
    if diff.versioned:
        yield Unchecked(
            f"When rows of {visible(', '.join(diff.versioned))} were deleted, and their embedded rows changed",
            "Their versions are those of a column of the row, which tells neither. A write of these that was under way "
            "for longer than the mapping's settle_seconds appears as a difference.",
        )
    undecided = diff.verdicts.pending + diff.verdicts.in_flight
    if undecided:
        yield Unchecked(
            f"{counted(undecided, 'key')} under way",
            "Not delivered or, where DynamoDB is the master, not applied when they were read; or written in between. "
            "Let the relay catch up, and verify again; a group at dynamodb_only first goes back to dynamodb_first.",
        )


def _rejects(records: RecordsManifest) -> Iterator[Unchecked]:
    for name, counts in records.item_types.items():
        if counts.rejects:
            yield Unchecked(
                f"{counted(counts.rejects, 'rejected row')} of {visible(name)}",
                "They cannot become items exactly: not written, and not compared.",
            )


def _filtered_rows(records: RecordsManifest) -> Iterator[Unchecked]:
    for name, counts in records.item_types.items():
        if counts.filtered:
            yield Unchecked(
                f"{counted(counts.filtered, 'filtered row')} of {visible(name)}",
                "The mapping's where condition leaves them out.",
            )


def _embedded_rows(records: RecordsManifest) -> Iterator[Unchecked]:
    for name, counts in records.item_types.items():
        for path, embed in counts.embeds.items():
            place = f"{visible(name)}.{visible(path)}"
            for count, noun, why in (
                (embed.filtered, "filtered row", "The embed's where condition leaves them out."),
                (embed.beyond_limit, "surplus row", "The embed's limit leaves them out."),
                (embed.orphans, "orphan row", "No migrated row takes them in."),
            ):
                if count:
                    yield Unchecked(f"{counted(count, noun)} of {place}", why)


def _unread_columns(snapshot: SnapshotManifest) -> Iterator[Unchecked]:
    for table in snapshot.catalog.tables:
        read = snapshot.columns.get(str(table.ref), ())
        unread = [column.name for column in table.columns if column.name not in read]
        if unread:
            yield Unchecked(
                f"{counted(len(unread), 'column')} of {visible(table.ref.table)}",
                f"The mapping does not use {visible(', '.join(unread))}; never read.",
            )


def _equivalences(plan: MigrationPlan) -> Iterator[Unchecked]:
    """Where the mapping itself asks for less than equality."""
    for item in plan.items:
        rules, name = item.compare, visible(item.name)
        if rules.ignore:
            what = f"{counted(len(rules.ignore), 'ignored attribute')} of {name}"
            yield Unchecked(what, f"The mapping's compare leaves out {_paths(rules.ignore)}, and all below.")
        if rules.unordered:
            what = f"The order of {counted(len(rules.unordered), 'list')} of {name}"
            yield Unchecked(what, f"By the mapping's compare any order will do: {_paths(rules.unordered)}.")
        if rules.null_is_absent:
            what = f"NULL or absent: {counted(len(rules.null_is_absent), 'attribute')} of {name}"
            yield Unchecked(what, f"By the mapping's compare they are the same: {_paths(rules.null_is_absent)}.")
        if rules.tolerance:
            what = f"Small differences of {counted(len(rules.tolerance), 'number')} of {name}"
            limits = ", ".join(f"{_paths([names])} by {limit}" for names, limit in sorted(rules.tolerance.items()))
            yield Unchecked(what, f"The mapping's compare lets them differ: {limits}.")


def _paths(names: Iterable[AttributeNames]) -> str:
    return visible(", ".join(".".join(one) for one in sorted(names)))


def _tombstones(dump: DumpManifest) -> Iterator[Unchecked]:
    if dump.tombstones:
        yield Unchecked(counted(dump.tombstones, "tombstone"), "Deleted items of the migration, taken as absent.")


def _masked(plan: MigrationPlan) -> Iterator[Unchecked]:
    paths = [f"{item.name}.{path}" for item in plan.items for path in sorted(item.sensitive)]
    if paths:
        yield Unchecked(
            "Masked values",
            f"Compared in full, shown here as •••: {visible(', '.join(paths))}.",
        )
