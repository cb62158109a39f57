"""What a person reads of an assessment on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.assess.design import Design, Estimates
from pipelines.assess.evidence import Evidence, TableEvidence
from pipelines.assess.patterns import Pattern, PatternClass, Patterns

TABLES = 10
PATTERNS = 10
_WIDTH = 100

CLASS_NAMES = {
    PatternClass.POINT_READ: "point read",
    PatternClass.PARTITION_READ: "read by partition",
    PatternClass.RANGE_READ: "range",
    PatternClass.NEEDS_GSI: "needs a GSI",
    PatternClass.NEEDS_DENORMALISATION: "needs denormalisation",
    PatternClass.NOT_FOR_DYNAMODB: "not for DynamoDB",
    PatternClass.WRITE: "write",
    PatternClass.OUTSIDE: "outside of what was assessed",
    PatternClass.UNREADABLE: "could not be read",
}


def summary(evidence: Evidence, patterns: Patterns, design: Design) -> Iterator[str]:
    yield from _tables(evidence)
    yield ""
    yield from _classes(evidence, patterns)
    yield from _heaviest(patterns)
    yield from _unread(patterns)
    yield from _mappings(design, patterns)
    for note in (*evidence.notes, *evidence.statements.notes, *design.notes):
        yield f"note: {note}"


def _mappings(design: Design, patterns: Patterns) -> Iterator[str]:
    writes = {one.id for one in patterns.patterns if one.pattern is PatternClass.WRITE}
    for one in design.mappings:
        reads = [answer for answer in one.answers if answer.pattern not in writes]
        served = sum(answer.is_served for answer in reads)
        yield ""
        yield f"{one.name}: {one.file}"
        yield f"  answers {served:,} of {len(reads):,} read patterns, {len(one.warnings):,} warnings"
        if one.estimates is not None:
            yield from _estimates(one.estimates)


def _estimates(found: Estimates) -> Iterator[str]:
    items = sum(one.items for one in found.types)
    stored = found.gigabytes + found.index_gigabytes
    yield f"  {items:,} items, {told_bytes(round(stored * (1 << 30)))} with their indexes"
    monthly = found.money.on_demand_monthly
    requests = "requests not known" if monthly is None else f"requests {monthly:,.2f} on demand"
    live = next((one for one in found.backfills if one.mode == "live"), None)
    backfill = f", backfill {live.usd:,.2f} once" if live is not None else ""
    yield f"  USD a month in {found.region}: {requests}, storage {found.money.storage_monthly:,.2f}{backfill}"


def _tables(evidence: Evidence) -> Iterator[str]:
    tables = sorted(evidence.tables, key=lambda one: -one.bytes)
    total = sum(one.bytes + one.index_bytes for one in tables)
    schemas = ", ".join(evidence.schemas)
    yield f"{evidence.source}, schema {schemas}: {len(tables)} tables, {told_bytes(total)} with their indexes"
    for table in tables[:TABLES]:
        yield _table(table)
    if len(tables) > TABLES:
        yield f"  … and {len(tables) - TABLES} smaller ones"


def _table(table: TableEvidence) -> str:
    rows = "rows not known" if table.rows is None else f"{table.rows:,} rows"
    parts = f", {len(table.partitions)} partitions" if table.partitions else ""
    grown = ""
    if table.growth is not None and table.growth.rows is not None:
        grown = f", {table.growth.rows:+,} rows in {table.growth.days:,.1f} days"
    return f"  {table.ref.table:<32} {rows:>18}  {told_bytes(table.bytes):>9}{parts}{grown}"


def _classes(evidence: Evidence, patterns: Patterns) -> Iterator[str]:
    if not patterns.statements:
        yield "no statement is known: access patterns are missing"
        return
    what = evidence.statements.source.value
    yield f"{patterns.statements:,} statements ({what}), {len(patterns.patterns):,} patterns"
    for pattern, count in patterns.classes.items():
        if count:
            yield f"  {CLASS_NAMES[pattern]:<32} {count:>8,}  {_share(_load(patterns, pattern)):>7} of the load"


def _heaviest(patterns: Patterns) -> Iterator[str]:
    shown = [one for one in patterns.patterns if one.pattern not in (PatternClass.OUTSIDE, PatternClass.UNREADABLE)]
    if not shown:
        return
    yield ""
    yield "heaviest patterns"
    for one in shown[:PATTERNS]:
        yield f"  {_share(_weight(one)):>7}  {CLASS_NAMES[one.pattern]}: {one.reason}"
        yield f"           {_short(one.text or '')}"


def _unread(patterns: Patterns) -> Iterator[str]:
    unread = [one for one in patterns.patterns if one.pattern is PatternClass.UNREADABLE]
    if unread:
        yield ""
    for one in unread[:PATTERNS]:
        yield f"not read: {', '.join(one.positions)}: {one.reason}"
    if len(unread) > PATTERNS:
        yield f"not read: {len(unread) - PATTERNS} more in patterns.json"


def _load(patterns: Patterns, pattern: PatternClass) -> float:
    return sum(_weight(one) for one in patterns.patterns if one.pattern is pattern)


def _weight(pattern: Pattern) -> float:
    """Its share of the time, else of the calls."""
    load = pattern.load
    return load.share_of_calls if load.share_of_time is None else load.share_of_time


def _share(share: float) -> str:
    return f"{share:.1%}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def told_bytes(count: float) -> str:
    """`12 B`, `3.4 MB`: units of 1,024."""
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:,.0f} {units[0]}" if units[0] == "B" else f"{size:,.1f} {units[0]}"


def rows_of(tables: Sequence[TableEvidence]) -> int | None:
    """All together; None where one is not known."""
    known = [one.rows for one in tables if one.rows is not None]
    return sum(known) if len(known) == len(tables) else None
