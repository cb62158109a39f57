"""Whether a way into a mapping's items finds what a read asks for, and by which request.

A request knows the values of the read's keys. So a partition key is known if all columns in its template are among
them (`{id:mod8}` of another column is known as well: all of its eight values), and of a sort key as much as stands
before the first column that is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from pipelines.assess.answers.paths import KeyPart, Path
from pipelines.assess.answers.texts import can_begin, folded
from pipelines.assess.classify.access import PAGE_BYTES
from pipelines.assess.design import Operation, Read
from pipelines.assess.patterns import Branch
from pipelines.assess.schema import Facts
from pipelines.items.source_type import Kind
from pipelines.mapping.plan import Format
from pipelines.mapping.templates import RawPlaceholder, TemplateError, parse_format

SORTABLE = frozenset({Kind.TEXT, Kind.CHAR, Kind.UUID, Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
"""Kinds whose text in a template sorts as the values do; texts only where PostgreSQL sorts them by their bytes."""


@dataclass(frozen=True)
class Asked:
    """`keys`: the columns whose values are known, `lower(email)` in that form; the others as in Branch."""

    keys: frozenset[str]
    sort: str | None = None
    ranged: bool = False
    batch: bool = False
    prefixed: bool = False

    @classmethod
    def of(cls, branch: Branch) -> Asked:
        return cls(frozenset(branch.keys), branch.sort, branch.ranged, branch.batch, branch.prefixed)

    def folded(self, facts: Facts) -> Asked:
        """With keys in the form by which a place tells them."""
        return replace(self, keys=frozenset(folded(key, facts) for key in self.keys))

    def key_of(self, one: RawPlaceholder) -> str | None:
        """The key whose value tells what stands in this place."""
        if len(one.names) > 1:
            return None
        formed = f"{one.format}({one.names[0]})"
        return next((name for name in (formed, one.names[0]) if name in self.keys), None)

    def told_by(self, one: RawPlaceholder) -> str | None:
        """The key that is equal where this place is: not a day of a time, nor a remainder of a number."""
        key = self.key_of(one)
        is_exact = one.format in (None, "esc") or (one.format or "").startswith("0") or key not in one.names
        return key if is_exact else None


@dataclass(frozen=True)
class Match:
    """`unused`: keys that the request does not use, which become filters; `in_range` and `in_order`: whether the
    request bounds, or sorts, as was asked."""

    read: Read
    unused: frozenset[str]
    in_range: bool
    in_order: bool

    @property
    def cost(self) -> tuple[bool, int, bool, bool, int, bool]:
        """The lower, the better: first what reads less."""
        is_query = self.read.operation is Operation.QUERY
        index = self.read.index is not None
        return (is_query, len(self.unused), not self.in_range, not self.in_order, self.read.shards, index)


def best_match(paths: Sequence[Path], facts: Facts, asked: Asked) -> Match | None:
    """None where no way leads to it."""
    asked = asked.folded(facts)
    found = [match for path in paths if (match := _match(path, facts, asked)) is not None]
    return min(found, key=lambda match: match.cost, default=None)


def _match(path: Path, facts: Facts, asked: Asked) -> Match | None:
    shards = _shards(path.partition, asked)
    if shards is None or (path.index is not None and _can_be_absent(path, facts, asked)):
        return None
    known, bound = _known(path.sort, asked)
    places = [*path.partition.placeholders, *known]
    used = {key for one in places if (key := asked.key_of(one)) is not None}
    told = {key for one in places if (key := asked.told_by(one)) is not None}
    if bound is None and path.index is None and shards == 1:
        operation = Operation.BATCH_GET if asked.batch else Operation.GET
        read = _read(path, operation, asked, used)
        return Match(read, asked.keys - told, in_range=not asked.ranged, in_order=True)
    if not used and not _spreads(path, facts, asked, bound):
        return None
    bounds = bound is not None and bound == asked.sort and _bounds(path.sort, bound, facts, asked)
    read = _read(path, Operation.QUERY, asked, used).model_copy(
        update={
            "shards": shards,
            "sort_prefix": _prefix(path.sort, known),
            "range_on": bound if bounds and asked.ranged else None,
            "sorted_by": tuple(_in_order(path.sort, known, facts)),
        }
    )
    return Match(read, asked.keys - told, in_range=bounds or not asked.ranged, in_order=bounds or asked.sort is None)


def _read(path: Path, operation: Operation, asked: Asked, used: set[str]) -> Read:
    return Read(
        operation=operation,
        item_type=path.item_type,
        table=path.table,
        index=path.index,
        partition_key=path.partition.attribute,
        partition=path.partition.template.text,
        fills={name: name for name in sorted(used)},
        sort_key=path.sort.attribute if path.sort is not None else None,
        sort=path.sort.template.text if path.sort is not None else None,
        batch=asked.batch,
    )


def _shards(part: KeyPart, asked: Asked) -> int | None:
    """In how many partitions the rows are spread; None where the partition is not known."""
    unknown = [one for one in part.placeholders if asked.key_of(one) is None]
    moduli = [_format(one).modulus if len(one.names) == 1 else None for one in unknown]
    return prod(modulus or 0 for modulus in moduli) or None


def _known(part: KeyPart | None, asked: Asked) -> tuple[list[RawPlaceholder], str | None]:
    """The places of a sort key whose values are known, and the column that comes next, None where it is known whole."""
    known: list[RawPlaceholder] = []
    for one in part.placeholders if part is not None else ():
        if asked.key_of(one) is None:
            return known, ".".join(one.names)
        known.append(one)
    return known, None


def _prefix(part: KeyPart | None, known: Sequence[RawPlaceholder]) -> str:
    """What every sort key that is asked for begins with, as a template."""
    text, left = "", list(known)
    for piece in part.template.parts if part is not None else ():
        if isinstance(piece, str):
            text += piece.replace("{", "{{").replace("}", "}}")
        elif left:
            text += str(left.pop(0))
        else:
            break
    return text


def _can_be_absent(path: Path, facts: Facts, asked: Asked) -> bool:
    """Whether an index can lack rows that are asked for: a NULL in its keys keeps an item out, so does an empty text
    that is the whole of a key."""
    parts = [path.partition, *([path.sort] if path.sort is not None else [])]
    return any(_keeps_out(part, one, facts, asked) for part in parts for one in part.placeholders)


def _keeps_out(part: KeyPart, one: RawPlaceholder, facts: Facts, asked: Asked) -> bool:
    column = facts.table.column(one.names[0]) if len(one.names) == 1 else None
    if column is None:
        return True
    if asked.ranged and column.name == asked.sort:
        return False
    is_text = part.template.only is not None and column.type.kind is Kind.TEXT
    return is_text or (column.nullable and asked.key_of(one) is None)


def _spreads(path: Path, facts: Facts, asked: Asked, bound: str | None) -> bool:
    """Whether rows that no key tells apart may be read whole: by a range or an order, or where they are one page."""
    if not asked.keys and bound is not None and bound == asked.sort and _bounds(path.sort, bound, facts, asked):
        return True
    return facts.rows is not None and facts.evidence.bytes <= PAGE_BYTES


def _bounds(part: KeyPart | None, name: str, facts: Facts, asked: Asked) -> bool:
    """Whether the sort key gives the range, or the order, that is asked of the column."""
    if part is None:
        return False
    prefixed = asked.prefixed and can_begin(facts, name) and _ends_with(part, name)
    return prefixed or _sorts(part, name, facts)


def _ends_with(part: KeyPart, name: str) -> bool:
    """With the column as it is: "ab" is before "ab!", but "ab#" after "ab!#"."""
    last = part.template.parts[-1]
    return isinstance(last, RawPlaceholder) and last.names == (name,) and last.format is None


def _sorts(part: KeyPart | None, name: str, facts: Facts) -> bool:
    """Whether the sort key's order is that of the column."""
    column = facts.table.column(name)
    one = next((one for one in part.placeholders if one.names == (name,)), None) if part is not None else None
    if part is None or column is None or one is None:
        return False
    if part.type == "N" or _format(one).pad is not None:
        return True
    if column.type.kind in (Kind.TEXT, Kind.CHAR):
        return facts.collation(name) is None and _ends_with(part, name)
    statistics = facts.statistics(name)
    is_beyond = statistics is not None and statistics.beyond
    return one.format is None and column.type.kind in SORTABLE and not is_beyond


def _in_order(part: KeyPart | None, known: Sequence[RawPlaceholder], facts: Facts) -> Iterator[str]:
    """The columns in whose order the items come, from the first that is not known."""
    for one in part.placeholders[len(known) :] if part is not None else ():
        if not _sorts(part, ".".join(one.names), facts):
            return
        yield one.names[0]


def _format(one: RawPlaceholder) -> Format:
    try:
        return parse_format(one.format, "") if one.format is not None else Format()
    except TemplateError:
        return Format()
