"""The DynamoDB keys that items have left, from what their log rows keep of it (`log.old`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from pipelines.mapping.assemble import Node
from pipelines.mapping.capture import root_touch
from pipelines.mapping.online import ItemAssembler
from pipelines.mapping.outcome import Assembled
from pipelines.mapping.plan import ItemPlan
from pipelines.mapping.source_row import SourceRow
from pipelines.source.select import physical_names, select_list


def left_keys(connection: Connection[TupleRow], item: ItemPlan, olds: Sequence[str]) -> list[str | None]:
    """The canonical key of each `old`, given as JSON text, in the order asked for; None where the row had none (its
    key was a reject). The connection is one of `pipelines.source.connect`.

    Where the key is made of the source key alone, log rows keep no `old`, and source keys are given instead.

    PostgreSQL makes values of the texts again, so that a key is what it is for a row that is still there.
    """
    table = item.root.table  # with a column `old` or `place`, perhaps
    columns = [name for name, _ in root_touch(item).left] or list(item.source_key)
    query = sql.SQL(
        'SELECT {} FROM unnest({}::pg_catalog.jsonb[]) WITH ORDINALITY AS log ("crossover:old", "crossover:place")'
        ' CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::{}, log."crossover:old")'
        ' ORDER BY log."crossover:place"'
    ).format(
        select_list(table, columns),
        sql.Literal(list(olds)),
        sql.Identifier(table.ref.schema_name, table.ref.table),
    )
    names = physical_names(table, columns)
    keys_only = ItemAssembler(replace(item, root=replace(item.root, attributes=(), embeds=())))
    rows = [SourceRow(dict(zip(names, row, strict=True))) for row in connection.execute(query)]
    outcomes = [keys_only.assemble(Node(row, {})) for row in rows]
    return [outcome.key if isinstance(outcome, Assembled) else None for outcome in outcomes]
