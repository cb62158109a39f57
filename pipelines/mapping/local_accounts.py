"""What `count_use` counts, by DuckDB over the snapshot's own files: key columns only, in bounded memory.

A count is a few joins of narrow columns; as a query of Spark's, each costs more to plan than to run. Joins, filters
and orders that are spelled the same in both, and no others, are counted here. Names and literals are quoted by
`_name` and `_literal`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.dataset as ds

from pipelines.items.source_type import RAW_SUFFIX, TEMPORAL, TEXTS, Kind, SourceType
from pipelines.mapping.bulk_accounts import EmbedUse, ItemUse
from pipelines.mapping.catalog import Table
from pipelines.mapping.plan import EmbedPlan, ItemPlan, OrderTerm, RowPlan
from pipelines.mapping.predicate import And, Compare, IsNull, Not, Or, Predicate

TableFiles = Callable[[Table], Sequence[Path] | ds.Dataset]
"""Parquet files by their paths, or what else DuckDB can scan."""

_FAMILIES = {Kind.INTEGER: "BIGINT", Kind.BOOLEAN: "BOOLEAN", Kind.BYTES: "BLOB"} | dict.fromkeys(TEXTS, "VARCHAR")
_KEY = "crossover key "
_WILDCARDS = frozenset("*?[")  # DuckDB would look for other files
MAX_DECIMAL_DIGITS = 38


class CountedBySparkError(Exception):
    """Something in this item type is not spelled the same in DuckDB."""


@dataclass(frozen=True)
class _Rows:
    """Those that count as enclosing rows: `relation` has a column for each of the table's that an embed joins by."""

    row: RowPlan
    relation: str


def count_locally(item: ItemPlan, files: TableFiles, memory_mb: int, spill: Path) -> ItemUse:
    """Raises CountedBySparkError. What does not fit into `memory_mb` goes into the folder `spill`."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(config=config) as connection:
            return _Count(connection, files).item(item)
    except duckdb.Error:  # too little memory or disk: Spark has other means
        raise CountedBySparkError from None


class _Count:
    def __init__(self, connection: duckdb.DuckDBPyConnection, files: TableFiles) -> None:
        self._connection = connection
        self._files = files
        self._relations = 0

    def item(self, item: ItemPlan) -> ItemUse:
        root = item.root
        filtered = 0 if root.where is None else self._number(f"{self._scan(root)} WHERE NOT {_passes(root)}")
        if not root.embeds:
            return ItemUse(filtered, ())
        columns = ", ".join(_name(column) for column in _joining(root))
        kept = self._kept(f"SELECT {columns} {self._scan(root)} WHERE {_passes(root)}")
        return ItemUse(filtered, tuple(self._embeds(_Rows(root, kept), "")))

    def _embeds(self, enclosing: _Rows, prefix: str) -> list[EmbedUse]:
        return [use for embed in enclosing.row.embeds for use in self._embed(embed, enclosing, prefix + embed.name)]

    def _embed(self, embed: EmbedPlan, enclosing: _Rows, path: str) -> list[EmbedUse]:
        row, scan, passes = embed.row, self._scan(embed.row), _passes(embed.row)
        passing = self._number(f"{scan} WHERE {passes}")
        filtered = 0 if row.where is None else self._number(f"{scan} WHERE NOT {passes}")
        matched = _matched(embed, enclosing, f"{scan} WHERE {passes}")
        count = self._number(f"FROM {matched}")
        if row.embeds:
            columns = ", ".join(_name(column) for column in _joining(row))
            kept = self._kept(f"SELECT {columns} FROM {matched}{_within_limit(embed)}")  # noqa: S608
            used, inner = self._number(f"FROM {kept}"), self._embeds(_Rows(row, kept), f"{path}.")
        elif embed.limit is not None:
            some = f"SELECT least(count(*), {embed.limit}) AS n FROM {matched} GROUP BY {_keys(embed)}"  # noqa: S608
            used, inner = self._sum(some), []
        else:
            used, inner = count, []
        return [EmbedUse(path, row.table, used, filtered, count - used, passing - count), *inner]

    def _scan(self, row: RowPlan) -> str:
        names = [column.name.lower() for column in row.table.columns]
        if len(set(names)) < len(names) or any(name.startswith(_KEY) for name in names):
            raise CountedBySparkError
        return f"FROM {self._table(self._files(row.table))}"

    def _table(self, files: Sequence[Path] | ds.Dataset) -> str:
        if isinstance(files, ds.Dataset):
            self._relations += 1
            name = f"scanned{self._relations}"
            self._connection.register(name, files)
            return name
        paths = [str(file) for file in files]
        if not paths or any(_WILDCARDS & set(path) for path in paths):
            raise CountedBySparkError
        return f"read_parquet([{', '.join(map(_literal, paths))}], hive_partitioning = false)"

    def _kept(self, query: str) -> str:
        self._relations += 1
        name = f"kept{self._relations}"
        self._connection.execute(f"CREATE TEMP TABLE {name} AS {query}")
        return name

    def _number(self, source: str) -> int:
        return self._sum(f"SELECT count(*) AS n {source}")

    def _sum(self, query: str) -> int:
        found = self._connection.execute(f"SELECT coalesce(sum(n), 0)::BIGINT FROM ({query})").fetchone()  # noqa: S608
        assert found is not None
        return int(found[0])


def _matched(embed: EmbedPlan, enclosing: _Rows, children: str) -> str:
    """The children that some enclosing row names, with their keys."""
    own = [_key(embed.row, own, enclosing.row, outer) for own, outer in embed.on]
    outer = [_key(enclosing.row, outer, embed.row, own) for own, outer in embed.on]
    wanted = f"SELECT DISTINCT {_as_keys(outer)} FROM {enclosing.relation}"  # noqa: S608
    return f"(SELECT {_as_keys(own)}, * {children}) SEMI JOIN ({wanted}) USING ({_keys(embed)})"


def _within_limit(embed: EmbedPlan) -> str:
    if embed.limit is None:
        return ""
    order = ", ".join(_order(term) for term in embed.order_by) or "1"
    return f" QUALIFY row_number() OVER (PARTITION BY {_keys(embed)} ORDER BY {order}) <= {embed.limit}"


def _keys(embed: EmbedPlan) -> str:
    return ", ".join(_name(f"{_KEY}{n}") for n in range(len(embed.on)))


def _as_keys(expressions: Sequence[str]) -> str:
    return ", ".join(f"{expression} AS {_name(f'{_KEY}{n}')}" for n, expression in enumerate(expressions))


def _joining(row: RowPlan) -> list[str]:
    return sorted({outer for embed in row.embeds for _, outer in embed.on})


def _key(row: RowPlan, column: str, other_row: RowPlan, other_column: str) -> str:
    """What must be equal in both; the kinds of `bulk_order.match_column` whose match is the value itself."""
    type, other = row.type_of(column), other_row.type_of(other_column)
    family = _FAMILIES.get(type.kind)
    if not type.utf8 or family is None or family != _FAMILIES.get(other.kind):
        raise CountedBySparkError
    return _unpadded(column, type.kind)


def _unpadded(column: str, kind: Kind) -> str:
    return f"rtrim({_name(column)}, ' ')" if kind is Kind.CHAR else _name(column)


def _passes(row: RowPlan) -> str:
    """Never null."""
    return "true" if row.where is None else f"coalesce({_predicate(row.where)}, false)"


def _predicate(predicate: Predicate) -> str:
    match predicate:
        case Compare():
            return _compare(predicate)
        case IsNull():
            null = f"({_name(predicate.column)} IS NULL)"
            raw = f" AND {_name(predicate.column + RAW_SUFFIX)} IS NULL"
            return f"({null}{raw})" if predicate.type.kind in TEMPORAL else null
        case Not():
            return f"(NOT {_predicate(predicate.operand)})"
        case And():
            return f"({' AND '.join(map(_predicate, predicate.operands))})"
        case Or():
            return f"({' OR '.join(map(_predicate, predicate.operands))})"


def _compare(test: Compare) -> str:
    family = _FAMILIES.get(test.type.kind)
    if not test.type.utf8 or family is None or test.type.kind is Kind.BYTES:
        raise CountedBySparkError
    literal = f"CAST({_literal(test.literal)} AS {family})"
    return f"({_unpadded(test.column, test.type.kind)} {test.comparison} {literal})"


def _order(term: OrderTerm) -> str:
    direction = "DESC NULLS LAST" if term.descending else "ASC NULLS LAST"
    return ", ".join(f"{expression} {direction}" for expression in _sorted_by(term.column, term.type))


def _sorted_by(column: str, type: SourceType) -> list[str]:
    name, scale = _name(column), type.scale or 0
    if not type.utf8:
        raise CountedBySparkError
    if type.kind in _FAMILIES:
        return [_unpadded(column, type.kind)]
    if type.kind in (Kind.FLOAT4, Kind.FLOAT8):
        return [f"CAST({name} AS DOUBLE)"]
    if type.kind is not Kind.NUMERIC or not 0 <= scale <= (type.precision or -1) <= MAX_DECIMAL_DIGITS:
        raise CountedBySparkError
    return [f"({name} = 'NaN')", f"CAST(nullif({name}, 'NaN') AS DECIMAL({type.precision},{scale}))"]


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
