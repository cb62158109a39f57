"""The roots that a mark reaches: up from the row that was changed, by the joins of the embeds around it.

Filters are left out: a row that does not count reaches no more than one that does, and a row that begins or ceases
to count has touched its items itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql
from psycopg.sql import Composable, Composed, Identifier

from pipelines.items.source_type import MONEY, TEXTS, Kind, SourceType
from pipelines.mapping.assemble import enclosing_columns
from pipelines.mapping.capture import KeyPart
from pipelines.mapping.plan import EmbedPlan, ItemPlan, RowPlan
from pipelines.source.ledger.key_text import Reference, source_key
from pipelines.source.lookup import where_values

Link = tuple[str, ...]
"""The texts of the columns of an embed's `on`, in order."""


def all_roots(item: ItemPlan) -> Composed:
    """`SELECT source_key FROM …` of every row of the root's table."""
    return sql.SQL("SELECT {} AS source_key FROM {} AS {}").format(_key(item), _table(item.root), Identifier(_alias(0)))


def roots_of_links(item: ItemPlan, path: Sequence[str], links: Sequence[Link]) -> Composed:
    """`SELECT DISTINCT source_key FROM …` of the roots that rows of the embed at `path` with these links belong to.

    Raises KeyError where the item has no such embed.
    """
    embeds = _chain(item, path)
    rows = [item.root, *(embed.row for embed in embeds[:-1])]
    joins = [
        sql.SQL(" JOIN {} AS {} ON {}").format(_table(inner), Identifier(_alias(n)), _on(embed, outer, n))
        for n, (embed, outer, inner) in enumerate(zip(embeds, rows, rows[1:], strict=False), start=1)
    ]
    last = len(rows) - 1
    found = where_values(_alias(last), enclosing_columns(embeds[-1], rows[last]), links)
    return sql.SQL("SELECT DISTINCT {} AS source_key FROM {} AS {}{} WHERE {}").format(
        _key(item), _table(item.root), Identifier(_alias(0)), Composed(joins), found
    )


def _chain(item: ItemPlan, path: Sequence[str]) -> list[EmbedPlan]:
    embeds: list[EmbedPlan] = []
    row = item.root
    for name in path:
        embed = {embed.name: embed for embed in row.embeds}[name]
        embeds.append(embed)
        row = embed.row
    return embeds


def _key(item: ItemPlan) -> Composable:
    parts = [KeyPart(name, name, item.root.type_of(name)) for name in item.source_key]
    return source_key(parts, _columns_of(0))


def _on(embed: EmbedPlan, outer: RowPlan, number: int) -> Composed:
    pairs = [
        equal(_columns_of(number)(own), embed.row.type_of(own), _columns_of(number - 1)(out), outer.type_of(out))
        for own, out in embed.on
    ]
    return sql.SQL(" AND ").join(pairs)


def equal(own: Composable, own_type: SourceType, outer: Composable, outer_type: SourceType) -> Composed:
    """Texts by their bytes, and as one type: enums of two types, or texts of two collations, have no `=`."""
    if own_type.kind in TEXTS and not (own_type.kind is outer_type.kind is Kind.UUID):
        return sql.SQL('{} = {} COLLATE "C"').format(_as_text(own, own_type), _as_text(outer, outer_type))
    return sql.SQL("{} = {}").format(_as_number(own, own_type), _as_number(outer, outer_type))


def _as_text(column: Composable, type: SourceType) -> Composable:
    if type.kind is Kind.ENUM:
        return sql.SQL("CASE WHEN {} IS DISTINCT FROM NULL THEN pg_catalog.concat({}) END").format(column, column)
    return sql.SQL("{}::pg_catalog.text").format(column)


def _as_number(column: Composable, type: SourceType) -> Composable:
    """oid and money compare with their own only."""
    if type.name == MONEY:
        return sql.SQL("{}::pg_catalog.numeric").format(column)
    return sql.SQL("{}::pg_catalog.int8").format(column) if type.name == "oid" else column


def _columns_of(number: int) -> Reference:
    return lambda column: Identifier(_alias(number), column)


def _alias(number: int) -> str:
    return f"row_{number}"


def _table(row: RowPlan) -> Identifier:
    return Identifier(row.table.ref.schema_name, row.table.ref.table)
