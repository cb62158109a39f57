"""Tables by name, and what of them a live snapshot is asked for."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.mapping.catalog import Catalog, Table, TableRef


def ref(table: str, schema: str = "public") -> TableRef:
    return TableRef(schema_name=schema, table=table)


def everything(catalog: Catalog) -> dict[Table, tuple[str, ...]]:
    """Every column of every table."""
    return {table: tuple(column.name for column in table.columns) for table in catalog.tables}


def after(action: Callable[[], object]) -> Callable[[Catalog], dict[Table, tuple[str, ...]]]:
    """Chooses every column; `action` happens when the cut exists and no row has been read."""

    def columns_of(catalog: Catalog) -> dict[Table, tuple[str, ...]]:
        action()
        return everything(catalog)

    return columns_of
