"""Why an item type, or an embed of it, cannot be made rows again: one full line each, with what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipelines.mapping.catalog import Relation
from pipelines.mapping.inverse.ownership import WRITTEN
from pipelines.mapping.inverse.places import shown_columns
from pipelines.mapping.inverse.row_read import RowReader
from pipelines.mapping.plan import EmbedPlan, ItemPlan, RowPlan


def root_obstacles(item: ItemPlan, reader: RowReader, writer: ItemPlan) -> Iterator[str]:
    """`writer`: the item type that writes the root's table."""
    label, table = f"item {item.name}", item.root.table
    if writer is not item:
        yield (
            f"{label}: {table.ref} is the root of item {writer.name} already, and one item type writes a table; make "
            "one item type of both, or a table of its own for this one"
        )
        return
    if table.relation not in WRITTEN:
        yield f"{label}: {table.ref} is a {_words(table.relation)}, which is not written; take its rows from a table"
    elif table.inherited:
        yield f"{label}: other tables inherit from {table.ref}, so that its key tells no row; map those tables"
    elif not table.primary_key:
        yield f"{label}: {table.ref} has no primary key; add one"
    if item.version is not None:
        yield (
            f"{label}: its versions are those of column {item.version}, and with DynamoDB as master they are the "
            "ledger's; take `version` out"
        )
    yield from _columns(label, item.root, reader, shown_columns(item.root, item.key), item.source_key)


def embed_obstacles(label: str, embed: EmbedPlan, reader: RowReader, outer: Collection[str]) -> Iterator[str]:
    """`outer`: the columns that the enclosing row tells."""
    table = embed.row.table
    if embed.limit is not None:
        yield (
            f"{label}: limit {embed.limit} leaves rows of {table.ref} out, and rows that are not in the item would be "
            "deleted; take `limit` out"
        )
    if not table.primary_key:
        yield f"{label}: {table.ref} has no primary key, so that its rows cannot be told apart; add one"
    for own, column in embed.on:
        if column not in outer:
            yield (
                f"{label}: column {own} of {table.ref} is joined by {column}, which is not in the enclosing item; "
                "include it there"
            )
    shown = shown_columns(embed.row, value=embed.value)
    yield from _columns(label, embed.row, reader, shown, [own for own, _ in embed.on])


def unclear_obstacle(label: str, embed: EmbedPlan, sibling: str) -> str:
    return (
        f"{label}: its rows of {embed.row.table.ref} are not clearly others than those of embed {sibling}, nor some of "
        "them; give both a `where` with = on one column, or take one out"
    )


def _columns(
    label: str, row: RowPlan, reader: RowReader, shown: dict[str, str], given: Collection[str]
) -> Iterator[str]:
    """`given`: columns that something else than the row's own attributes tells whole."""
    table = row.table
    for column in table.columns:
        name = column.name
        by_part = name in reader.coarse and name in table.primary_key and name not in given
        if column.generated or (name in reader.columns and not by_part):
            continue
        if name in shown:
            yield (
                f"{label}: `{shown[name] or 'value'}` tells column {name} of {table.ref} only in part, and nothing "
                "else in the item does; give it a type that keeps all of it, or include the column"
            )
        elif name in table.primary_key:
            yield (
                f"{label}: column {name} of the primary key of {table.ref} is not in the item, so that its rows cannot "
                "be told apart; include it"
            )
        elif not column.nullable and not column.defaulted:
            yield (
                f"{label}: column {name} of {table.ref} is not in the item, takes no NULL and has no default, so that "
                "no row could be inserted; include it, or give it a default"
            )


def _words(relation: Relation) -> str:
    return relation.replace("_", " ")
