"""What a group still needs before DynamoDB can become its master: all of it, told at once."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.capture import CaptureStatus
from pipelines.mapping.groups import Group
from pipelines.mapping.inverse import inverse_of
from pipelines.source.ledger.backfills import open_backfills
from pipelines.writes.scene import Schema


def missing_for_dynamodb(
    status: CaptureStatus, connection: Connection[TupleRow], schema: Schema, group: Group
) -> tuple[str, ...]:
    """A line each. Raises psycopg.Error."""
    return (*_of_capture(status, group), *_of_mapping(schema, group), *_of_deliveries(connection, schema))


def _of_capture(status: CaptureStatus, group: Group) -> Iterator[str]:
    if status.capture != "on" and not status.gaps:
        yield "capture is not on; run `crossover capture … install`"
    yield from (str(gap) for gap in status.gaps)
    for one in status.modes:
        if one.item_type in group.item_types and one.mode != "ledger":
            yield f"item type {one.item_type} has no ledger: {one.reason or f'its mode is {one.mode}'}"


def _of_mapping(schema: Schema, group: Group) -> Iterator[str]:
    for name in group.item_types:
        yield from inverse_of(schema.plan.item(name), schema.plan).problems


def _of_deliveries(connection: Connection[TupleRow], schema: Schema) -> Iterator[str]:
    if schema.control is None:
        return
    found = connection.execute(
        "SELECT coalesce((pg_catalog.to_jsonb(c) ->> 'paused')::bool, false) FROM crossover.control c"
        " WHERE migration = %s",
        (schema.plan.name,),
    ).fetchone()
    if found is not None and found[0]:
        yield "relays are paused; run `crossover relay … --resume`"
    for run in open_backfills(connection, schema.plan.name):
        yield f"backfill {run} is not finished; let it come to its end, or give it up by a new one"
