"""Which embeds an item type writes, and which show what others write.

Owned is an embed whose rows belong to one enclosing row for good: `on` reaches the whole key of that row, and nobody
else writes the table: it is no item type's root, and no other embed owns it. Everything else is a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipelines.mapping.catalog import Relation, TableRef
from pipelines.mapping.inverse.fixed import disjoint, within
from pipelines.mapping.plan import AttributeNames, EmbedPlan, ItemPlan, MigrationPlan, RowPlan

WRITTEN = frozenset({Relation.TABLE, Relation.PARTITIONED})


@dataclass(frozen=True, eq=False)
class Spot:
    """An embed where it stands. `key`: the columns that tell the enclosing rows apart."""

    item: str
    path: AttributeNames
    embed: EmbedPlan
    key: tuple[str, ...]

    @property
    def enclosing(self) -> tuple[str, AttributeNames]:
        return self.item, self.path[:-1]

    @property
    def table(self) -> TableRef:
        return self.embed.row.table.ref


@dataclass(frozen=True)
class Ownership:
    """`owned`: by item type and path. `unclear`: embeds that hold rows of a table which a sibling owns, and neither
    only repeat those nor keep apart from them; with that sibling's name."""

    owned: dict[tuple[str, AttributeNames], Spot] = field(default_factory=dict)
    unclear: dict[tuple[str, AttributeNames], str] = field(default_factory=dict)

    def owns(self, item: str, path: AttributeNames) -> bool:
        return (item, path) in self.owned

    def owns_all(self, item: str, through: AttributeNames, path: AttributeNames = ()) -> bool:
        """Of the row at `path`: every embed on the way."""
        return all(self.owns(item, (*path, *through[: n + 1])) for n in range(len(through)))


def ownership(plan: MigrationPlan, problems: Callable[[Spot], int]) -> Ownership:
    """`problems`: how many stand in the way of writing an embed's rows; of several embeds of one table the one with
    the fewest owns it, then the outermost, then the first."""
    found = Ownership()
    claims: dict[TableRef, list[Spot]] = {}
    roots = writers(plan)
    level = [spot for item in roots.values() for spot in _spots(item.name, (), item.root, item.source_key)]
    while level:
        candidates = [spot for spot in level if _belongs(spot) and spot.table not in roots]
        for table in dict.fromkeys(spot.table for spot in candidates):
            ordered = sorted((spot for spot in candidates if spot.table == table), key=problems)
            for spot in ordered:
                _claim(spot, claims.setdefault(table, []), found)
        level = [
            inner
            for spot in level
            if found.owns(spot.item, spot.path)
            for inner in _spots(spot.item, spot.path, spot.embed.row, spot.embed.row.table.primary_key)
        ]
    return found


def writers(plan: MigrationPlan) -> dict[TableRef, ItemPlan]:
    """By root table the item type that writes it: the first."""
    roots: dict[TableRef, ItemPlan] = {}
    for item in plan.items:
        roots.setdefault(item.root.table.ref, item)
    return roots


def _spots(item: str, path: AttributeNames, row: RowPlan, key: tuple[str, ...]) -> Iterator[Spot]:
    return (Spot(item, (*path, embed.name), embed, key) for embed in row.embeds)


def _belongs(spot: Spot) -> bool:
    embed, table = spot.embed, spot.embed.row.table
    reached = {outer for _, outer in embed.on}
    whole = bool(spot.key) and reached >= set(spot.key)
    return whole and not embed.hidden and table.relation in WRITTEN and not table.inherited


def _claim(spot: Spot, owners: list[Spot], found: Ownership) -> None:
    siblings = [owner for owner in owners if owner.enclosing == spot.enclosing]
    where = spot.embed.row.where
    if len(siblings) == len(owners) and all(disjoint(owner.embed.row.where, where) for owner in owners):
        owners.append(spot)
        found.owned[spot.item, spot.path] = spot
    elif siblings and not any(within(where, owner.embed.row.where) for owner in siblings):
        found.unclear[spot.item, spot.path] = siblings[0].embed.name
