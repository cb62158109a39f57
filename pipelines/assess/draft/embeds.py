"""Which rows an item holds of other tables, by the load of those who read and of those who write them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pipelines.assess.classify.embedding import LIST_BYTES
from pipelines.assess.design import Choice
from pipelines.assess.draft.asked import Held, Load
from pipelines.assess.draft.places import plain, unused
from pipelines.assess.patterns import Join, WriteKind
from pipelines.assess.schema import Facts, Schema

FEW_ROWS = 100
"""A longer list of children is one that grows: they are items of their own."""


@dataclass
class Node:
    """An embed. `columns`: those that it emits, None for all."""

    name: str
    facts: Facts
    join: Join
    columns: frozenset[str] | None
    below: list[Node] = field(default_factory=list)

    @property
    def shape(self) -> str:
        return "list" if self.join.down else "map"


@dataclass
class Embedding:
    """`nodes`: by the item's table. `whole`: tables without an item type of their own, and the table that holds all of
    their rows. `apart`: what is read by requests of its own."""

    nodes: dict[str, list[Node]] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    apart: list[Held] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    def apart_tables(self) -> set[str]:
        return {one.joins[-1].table for one in self.apart}


def embedding(load: Load, schema: Schema, at_home: frozenset[str] = frozenset()) -> Embedding:
    """`at_home`: tables that need an item type of their own."""
    found = Embedding()
    for table, wanted in load.held.items():
        kept: dict[tuple[Join, ...], Held] = {}
        for one in wanted:
            why = _against(one, kept, load)
            if why is None:
                kept[one.joins] = one
            else:
                found.apart.append(one)
                _keep_way(one.joins, kept)
            found.choices.append(_choice(one, why))
        found.nodes[table] = _tree(schema.named(table), kept, schema)
    _take_in(found, load, schema, at_home)
    return found


def _keep_way(joins: tuple[Join, ...], kept: dict[tuple[Join, ...], Held]) -> None:
    """What is read apart is found by columns of the rows before it: where these are held, so are the columns."""
    before = kept.get(joins[:-1])
    if before is not None and before.columns is not None:
        kept[joins[:-1]] = replace(before, columns=before.columns | set(joins[-1].others))


def _against(one: Held, kept: dict[tuple[Join, ...], Held], load: Load) -> str | None:
    """Why the rows are not held; None where they are."""
    if len(one.joins) > 1 and one.joins[:-1] not in kept:
        return f"{one.joins[-2].table}, between them, is not held"
    if one.form == "items":
        most = f"up to {one.rows_most:,.0f} rows" if one.rows_most is not None else "many rows"
        return f"{most} pass {LIST_BYTES >> 10} KB of an item"
    cost = sum(_rewrites(one, load))
    if cost > one.weight:
        return f"writes would rewrite {cost:,.0f} items for {one.weight:,.0f} reads that save a request"
    return None


def _rewrites(one: Held, load: Load) -> Iterator[float]:
    """Items that each write of the last table rewrites, times its calls."""
    tables = (one.anchor, *(join.table for join in one.joins))
    for write, calls in load.writes.get(one.joins[-1].table, ()):
        if one.columns is not None and write.columns and one.columns.isdisjoint(write.columns):
            continue
        reach = next((out.items for out in write.fan_out if out.path == tables[::-1]), None)
        if reach is None and write.kind is WriteKind.INSERT and not one.joins[-1].down:
            continue  # a new parent has no children yet
        yield calls * (1.0 if reach is None else reach)


def _choice(one: Held, why: str | None) -> Choice:
    about = ".".join((one.anchor, *(join.table for join in one.joins)))
    rows = f"; {one.rows:,.1f} rows on average" if one.rows is not None and one.joins[-1].down else ""
    if why is not None:
        return Choice(
            about=about,
            rule="read apart",
            reason=f"a request of its own: {why}",
            turned_down=(f"as a {'list' if one.joins[-1].down else 'map'} in the item",),
        )
    return Choice(
        about=about,
        rule="embed",
        reason=f"{one.weight:,.0f} reads want it with the item, more than the items that writes rewrite for it{rows}",
        turned_down=("a request of its own for each read",),
    )


def _tree(facts: Facts, kept: dict[tuple[Join, ...], Held], schema: Schema) -> list[Node]:
    nodes: dict[tuple[Join, ...], Node] = {}
    roots: list[Node] = []
    for joins, one in kept.items():
        table = schema.named(joins[-1].table)
        around = nodes.get(joins[:-1])
        siblings = roots if around is None else around.below
        taken = facts.columns if around is None else _emitted(around)
        name = unused(_name(joins[-1], table), {*taken, *(node.name for node in siblings)})
        node = Node(name, table, joins[-1], _columns(one, table))
        nodes[joins] = node
        siblings.append(node)
    return roots


def _emitted(node: Node) -> frozenset[str]:
    return node.facts.columns if node.columns is None else node.columns


def _columns(one: Held, facts: Facts) -> frozenset[str] | None:
    """With a list's elements goes what tells them apart."""
    if one.columns is None:
        return None
    named = one.columns & facts.columns
    key = set(facts.identity) if one.joins[-1].down else set()
    return frozenset(named | key) or frozenset(facts.identity) or None


def _name(join: Join, facts: Facts) -> str:
    """A parent is called after the column that refers to it."""
    column = join.others[0]
    if not join.down and len(join.others) == 1 and column.endswith("_id") and len(column) > 3:
        return plain(column[:-3])
    return plain(facts.ref.table)


def _take_in(found: Embedding, load: Load, schema: Schema, at_home: frozenset[str]) -> None:
    """Children that are only ever asked for by their parent live in it alone."""
    apart = found.apart_tables() | {join.table for join, _ in load.follows} | at_home
    for table, nodes in found.nodes.items():
        for node in nodes:
            name = node.facts.name
            if name in found.whole or name in apart or table in found.whole or not _belongs(node, table, load, schema):
                continue
            node.columns = None
            found.whole[name] = table
            found.choices.append(
                Choice(
                    about=name,
                    rule="in its parent",
                    reason=f"every statement finds its rows by {', '.join(node.join.columns)}: a list in {table} holds "
                    "them all",
                    turned_down=("an item for each row, in the parent's partition",),
                )
            )


def _belongs(node: Node, table: str, load: Load, schema: Schema) -> bool:
    facts, join = node.facts, node.join
    edge = next((one for one in schema.parents_of(facts) if one.child_columns == join.columns), None)
    if not join.down or edge is None or edge.parent is not schema.named(table) or facts.name == table:
        return False
    if edge.children_most is None or set(join.others) != set(edge.parent.identity):
        return False
    columns = [facts.table.column(name) for name in join.columns]
    if any(column is None or column.nullable for column in columns):
        return False
    size = facts.bytes_of(None)
    if size is None or edge.children_most > FEW_ROWS or edge.children_most * size > LIST_BYTES:
        return False
    return all(want.asked.keys.issuperset(join.columns) for want in load.wants.get(facts.name, ()))
