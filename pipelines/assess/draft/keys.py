"""The keys of each item type: the table's own, and those of the indexes that it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.assess.answers.matching import Asked, Match, best_match
from pipelines.assess.answers.paths import KeyPart, Path
from pipelines.assess.answers.texts import column_of, unsorted
from pipelines.assess.classify.access import FEW, PAGE_BYTES
from pipelines.assess.design import Choice
from pipelines.assess.draft.asked import Want
from pipelines.assess.draft.places import SEPARATOR, SortPlace, can_say, joined, literal, sort_place
from pipelines.assess.schema import Edge, Facts, Schema
from pipelines.items.source_type import Kind
from pipelines.mapping.templates import parse_template

SHARDS = 8
"""Partitions over which an index spreads what would be one: 8,000 writes and 24,000 reads a second."""

MANY = 10_000
"""With fewer rows than this no partition of an index gets hot."""


@dataclass(frozen=True)
class Keys:
    """Templates; `sort_type`: S or N."""

    partition: str
    sort: str
    sort_type: str = "S"


@dataclass
class TypeKeys:
    facts: Facts
    base: Keys
    indexes: list[Keys] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)


def keys_of(facts: Facts, wants: Sequence[Want], schema: Schema, tags: dict[str, str]) -> TypeKeys | None:
    """None where the rows have nothing that a key could be made of."""
    if not facts.identity or not all(can_say(facts, name) for name in facts.identity):
        return None
    chooser = _Chooser(facts, wants, schema, tags)
    base, choice = chooser.base()
    found = TypeKeys(facts, base, choices=[choice])
    chooser.add_indexes(found)
    return found


@dataclass(frozen=True)
class _Chooser:
    facts: Facts
    wants: Sequence[Want]
    schema: Schema
    tags: dict[str, str]

    @property
    def tag(self) -> str:
        return self.tags[self.facts.name]

    def base(self) -> tuple[Keys, Choice]:
        identity = self.facts.identity
        name = self.facts.name
        if self._is_read_whole():
            return Keys(literal(self.tag), self._sort(identity)), Choice(
                about=name,
                rule="one partition",
                reason=f"all of its {self.facts.rows or 0:,} rows are read at once: one Query of one partition",
                turned_down=("a partition for each row: a scan to read all",),
            )
        part, weight = self._part_of_identity()
        if part:
            rest = self._rest(part)
            return Keys(self._partition(part), self._sort(rest)), Choice(
                about=name,
                rule="collection",
                reason=f"its key begins with {', '.join(part)}"
                + (f" ({calls(weight)} by that)" if weight else "")
                + ": rows that share it lie in one partition, sorted by the rest",
                turned_down=("all of the key as partition key: no Query of the rows that share a part of it",),
            )
        by_key = self._weight(frozenset(identity))
        parent, weight = self._parent()
        if parent is not None and weight > by_key:
            columns = parent.child_columns
            return Keys(self._partition(columns), self._sort(identity)), Choice(
                about=name,
                rule="parent's partition",
                reason=f"{calls(weight)} by {', '.join(columns)}, {by_key:,.0f} by its own key: its items "
                f"lie with their {parent.parent.name}",
                turned_down=(f"a partition for each row, and an index by {', '.join(columns)}",),
            )
        turned = (f"in the partition of {parent.parent.name}, and an index by the key",) if parent is not None else ()
        return Keys(joined(self.facts, self.tag, identity), literal(self.tag)), Choice(
            about=name,
            rule="own key",
            reason=f"{calls(by_key)} by its key ({', '.join(identity)})"
            + (f", {weight:,.0f} by {', '.join(parent.child_columns)}" if parent is not None else ""),
            turned_down=turned,
        )

    def add_indexes(self, found: TypeKeys) -> None:
        """Ranges and first rows before the others, which such an index often serves as well."""
        for want in sorted(self.wants, key=lambda one: (not one.needs_order, -one.weight)):
            if _is_served(want, self._match(found, want.asked)):
                continue
            keys = self._index(want.asked, with_sort=want.asked.sort is not None)
            if keys is None or not _is_served(want, self._match(found, want.asked, keys)):
                keys = self._index(want.asked, with_sort=False)
            if keys is None or keys in found.indexes or not self._helps(found, want, keys):
                continue
            found.indexes.append(keys)
            found.choices.append(self._index_choice(want, keys))

    def _helps(self, found: TypeKeys, want: Want, keys: Keys) -> bool:
        before, after = self._match(found, want.asked), self._match(found, want.asked, keys)
        return after is not None and (before is None or after.cost < before.cost)

    def _match(self, found: TypeKeys, asked: Asked, extra: Keys | None = None) -> Match | None:
        keys = [found.base, *found.indexes, *([extra] if extra is not None else [])]
        return best_match([_path(number, one) for number, one in enumerate(keys)], self.facts, asked)

    def _index(self, asked: Asked, *, with_sort: bool) -> Keys | None:
        if not all(can_say(self.facts, key) for key in asked.keys):
            return None
        keys = sorted(asked.keys)
        sort = self._sort_place(asked) if with_sort else None
        if with_sort and sort is None:
            return None
        if sort is None:
            sort = SortPlace(self._sort(self.facts.identity), "S")
        tag = ".".join((self.tag, *(column_of(key)[0].upper() for key in keys)))
        shard = self._shard() if not keys or self._is_coarse(keys) else ""
        partition = joined(self.facts, tag, keys, folded=True, followed=bool(shard))
        return Keys(partition + shard, sort.template, sort.type)

    def _sort_place(self, asked: Asked) -> SortPlace | None:
        return sort_place(self.facts, asked.sort, prefixed=asked.prefixed) if asked.sort is not None else None

    def _shard(self) -> str:
        """Of the key, where that is a whole number; one of several columns is spread by its last."""
        for name in reversed(self.facts.identity):
            column = self.facts.table.column(name)
            if column is not None and column.type.kind is Kind.INTEGER and (self.facts.rows or 0) >= MANY:
                return f"{SEPARATOR}{{{name}:mod{SHARDS}}}"
        return ""

    def _is_coarse(self, keys: Sequence[str]) -> bool:
        """So few values that each has a partition that all must share."""
        known = [found.distinct for key in keys if (found := self.facts.statistics(column_of(key)[0])) is not None]
        return len(known) == len(keys) and all(one is not None and one < FEW for one in known)

    def _part_of_identity(self) -> tuple[tuple[str, ...], float]:
        """The part of a key of several columns by which it is read most, else what refers to a parent."""
        identity = set(self.facts.identity)
        if len(identity) < 2:
            return (), 0.0
        parts = {
            frozenset(want.asked.keys): self._weight(want.asked.keys)
            for want in self.wants
            if want.asked.keys and want.asked.keys < identity
        }
        if parts:
            best = max(parts, key=lambda part: parts[part])
            return tuple(name for name in self.facts.identity if name in best), parts[best]
        for edge in self.schema.parents_of(self.facts):
            if set(edge.child_columns) < identity:
                return tuple(name for name in self.facts.identity if name in edge.child_columns), 0.0
        return (), 0.0

    def _rest(self, part: Sequence[str]) -> list[str]:
        """What is sorted or bounded by comes first."""
        rest = [name for name in self.facts.identity if name not in part]
        sorts = [want.asked.sort for want in self.wants if self._orders(want, part)]
        return sorted(rest, key=lambda name: name not in sorts)

    def _parent(self) -> tuple[Edge | None, float]:
        """The parent by which it is read most; its columns have no NULL."""
        edges = [
            edge
            for edge in self.schema.parents_of(self.facts)
            if self._is_key(edge.child_columns) and not self._needs_index(edge.child_columns)
        ]
        weights = {edge.child_columns: self._weight(frozenset(edge.child_columns)) for edge in edges}
        best = max(edges, key=lambda edge: weights[edge.child_columns], default=None)
        return (best, weights[best.child_columns]) if best is not None and weights[best.child_columns] else (None, 0.0)

    def _is_key(self, columns: Sequence[str]) -> bool:
        found = [self.facts.table.column(name) for name in columns]
        return all(one is not None and not one.nullable and can_say(self.facts, one.name) for one in found)

    def _weight(self, keys: frozenset[str]) -> float:
        return sum(want.weight for want in self.wants if want.asked.keys == keys)

    def _needs_index(self, columns: Sequence[str]) -> bool:
        """Whether some read by these columns wants a range or an order: that index then serves the others as well."""
        return any(self._orders(want, columns) for want in self.wants)

    def _orders(self, want: Want, columns: Sequence[str]) -> bool:
        """Whether it wants a range or an order by these columns that a sort key gives."""
        can = want.needs_order and self._sort_place(want.asked) is not None
        return can and want.asked.keys == set(columns)

    def _partition(self, columns: Sequence[str]) -> str:
        """That of the parent's own items where the columns refer to its key."""
        for edge in self.schema.parents_of(self.facts):
            if set(edge.child_columns) == set(columns) and set(edge.parent_columns) == set(edge.parent.identity):
                pairs = dict(zip(edge.parent_columns, edge.child_columns, strict=True))
                return joined(self.facts, self.tags[edge.parent.name], [pairs[name] for name in edge.parent.identity])
        return joined(self.facts, self.tag, columns)

    def _sort(self, columns: Sequence[str]) -> str:
        """In the partition's items, those of this type."""
        return joined(self.facts, self.tag, columns)

    def _is_read_whole(self) -> bool:
        is_small = self.facts.rows is not None and self.facts.evidence.bytes <= PAGE_BYTES
        return is_small and any(not want.asked.keys and want.asked.sort is None for want in self.wants)

    def _index_choice(self, want: Want, keys: Keys) -> Choice:
        by = ", ".join(sorted(want.asked.keys)) or "no key"
        sort = f", sorted by {want.asked.sort}" if want.asked.sort is not None else ""
        if sort and f"{{{want.asked.sort}}}" not in keys.sort:
            why = "".join(f": {one}" for one in unsorted(self.facts, (want.asked.sort or "",)))
            sort = f" (the {'range' if want.asked.ranged else 'order'} by {want.asked.sort} is left to the reader{why})"
        spread = f"; spread over {SHARDS} partitions" if ":mod" in keys.partition else ""
        return Choice(
            about=f"{self.facts.name} index {keys.partition}",
            rule="index",
            reason=f"{calls(want.weight)} by {by}{sort}, which its key does not answer{spread}",
            turned_down=("a scan with a filter",),
        )


def calls(weight: float) -> str:
    return "1 call" if weight == 1 else f"{weight:,.0f} calls"


def _is_served(want: Want, match: Match | None) -> bool:
    return match is not None and not match.unused and match.in_range and (match.in_order or not want.top)


def _path(number: int, keys: Keys) -> Path:
    return Path(
        item_type="",
        table="",
        index=None if number == 0 else str(number),
        partition=KeyPart("pk", "S", parse_template(keys.partition)),
        sort=KeyPart("sk", keys.sort_type, parse_template(keys.sort)),
    )
