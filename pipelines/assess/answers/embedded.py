"""What an item holds of other tables' rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.assess.patterns import Join
from pipelines.assess.schema import Facts, Schema
from pipelines.mapping.catalog import TableRef
from pipelines.mapping.model import Embed, Item, Mapping
from pipelines.mapping.plan import Shape


@dataclass(frozen=True)
class Holder:
    """An item type whose items hold a table's rows as a list or map; `columns`: of the held table, which equal the
    root's `others`."""

    item_type: str
    attribute: str
    columns: tuple[str, ...]
    others: tuple[str, ...]


_Body = tuple[tuple[str, ...], Item | Embed]
"""An item, or what it holds below these attributes."""


def held(
    mapping: Mapping, schema: Schema, item: Item, joins: Sequence[Join], columns: Sequence[str] | None
) -> tuple[int, tuple[str, ...]]:
    """How many of the joins, from the first on, the item answers, and below which attributes; the last of all only with
    these columns of it, one that another follows with those by which that is found."""
    best: tuple[int, tuple[str, ...]] = 0, ()
    bodies = _fitting(mapping, schema, [((), item)], joins[0])
    for number, join in enumerate(joins, 1):
        wanted = columns if number == len(joins) else joins[number].others
        facts = schema.named(join.table)
        path = next((path for path, embed in bodies if _emits(embed, facts, wanted, join.columns)), None)
        best = (number, path) if path is not None else best
        if number < len(joins):
            bodies = _fitting(mapping, schema, bodies, joins[number])
    return best


def _fitting(
    mapping: Mapping, schema: Schema, bodies: Sequence[_Body | tuple[tuple[str, ...], Embed]], join: Join
) -> list[tuple[tuple[str, ...], Embed]]:
    ref, pairs = schema.named(join.table).ref, dict(zip(join.columns, join.others, strict=True))
    return [
        ((*path, attribute), embed)
        for path, body in bodies
        for attribute, embed in body.embed.items()
        if embed.from_.ref(mapping.source.schema_) == ref and embed.on == pairs and _is_whole(embed)
    ]


def _is_whole(embed: Embed) -> bool:
    """All of the rows that belong there."""
    shown = not embed.hidden and embed.value is None and embed.as_ is not Shape.SET
    return embed.where is None and embed.limit is None and shown


def _emits(embed: Embed, facts: Facts, columns: Sequence[str] | None, joined: Sequence[str]) -> bool:
    """The columns of the join are those of the row around."""
    wanted = set(facts.columns if columns is None else columns) - set(joined)
    shown = set(facts.columns if embed.include is None else embed.include) - set(embed.exclude)
    return wanted <= shown


class Holders:
    """Item types that hold all rows of a table that belong to them, each with the facts of its own table."""

    def __init__(self, mapping: Mapping, schema: Schema) -> None:
        self._found: dict[TableRef, list[tuple[Holder, Facts]]] = defaultdict(list)
        facts = {one.ref: one for one in schema.tables}
        for name, item in mapping.items.items():
            root = facts.get(item.from_.ref(mapping.source.schema_))
            if root is None or item.where is not None:
                continue
            for attribute, embed in item.embed.items():
                held = facts.get(embed.from_.ref(mapping.source.schema_))
                if held is not None and _is_whole(embed) and _emits(embed, held, None, tuple(embed.on)):
                    holder = Holder(name, attribute, tuple(embed.on), tuple(embed.on.values()))
                    self._found[held.ref].append((holder, root))

    def of(self, facts: Facts) -> Sequence[tuple[Holder, Facts]]:
        return self._found.get(facts.ref, ())
