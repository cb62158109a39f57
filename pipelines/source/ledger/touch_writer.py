"""What a row trigger's function says to write: log rows and marks (rules 1, 1b and 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.sql import Composable, Composed, Identifier, Literal

from pipelines.mapping.capture import Log, Mark
from pipelines.mapping.catalog import TableRef
from pipelines.source.ledger.follow import tell
from pipelines.source.ledger.names import LOG, MARK
from pipelines.source.ledger.row_functions import EffectFunctions, Row

_INTO_LOG = sql.SQL("INSERT INTO {} (migration, item_type, source_key, old)").format(LOG)
_INTO_MARK = sql.SQL("INSERT INTO {} (migration, item_type, path, old_link, new_link)").format(MARK)

_ONE = sql.SQL(
    "INSERT INTO {table} (migration, item_type, {columns}) SELECT {migration}, {item_type}, {values}{source}"
    " WHERE {value} IS NOT NULL"
)
_LOG_MOVED = sql.SQL(
    "            old_key := {old};\n            new_key := {new};\n            left_row := {left};\n"
    "            IF old_key IS NOT NULL AND (new_key IS NULL OR old_key OPERATOR(pg_catalog.<>) new_key) THEN\n"
    "                {insert} VALUES ({migration}, {item_type}, old_key, left_row);\n"
    "{tell_old}"
    "                left_row := NULL;\n"
    "            END IF;\n"
    "            IF new_key IS NOT NULL THEN\n"
    "                {insert} VALUES ({migration}, {item_type}, new_key, left_row);\n"
    "{tell_new}"
    "            END IF;\n"
)
_MARK_MOVED = sql.SQL(
    "            old_link := {old};\n            new_link := {new};\n"
    "            IF old_link OPERATOR(pg_catalog.=) new_link THEN\n                old_link := NULL;\n"
    "            END IF;\n"
    "            IF old_link IS NOT NULL OR new_link IS NOT NULL THEN\n"
    "                {insert} VALUES ({migration}, {item_type}, {path}, old_link, new_link);\n"
    "            END IF;\n"
)

_NOWHERE = sql.SQL("")
_EACH: Row = '"crossover:row"'
_HERE = "crossover:here"


@dataclass(frozen=True)
class TouchWriter:
    """What a function says to write what one touch asks for. A key or a link with a NULL touches nothing."""

    migration: str
    touch: Log | Mark
    asked: EffectFunctions

    def of_one(self, row: Row, depth: int = 1) -> Composed:
        """Of a row that came, went, or touches what it did before."""
        return sql.SQL("{}{};\n{}").format(
            sql.SQL("    " * depth), self._select(row, row == "OLD"), self._tell(self.asked.value.call(row), depth)
        )

    def of_rows(self, table: TableRef) -> Composed:
        """As if all rows of the table, not those of its heirs or partitions, were inserted."""
        return self._select(_EACH, False, _from(Identifier(table.schema_name, table.table)))

    def of_emptied(self) -> Composed:
        """As if all rows of the trigger's table were deleted."""
        before, after = self._select(_EACH, True, _from(sql.SQL(_HERE))).as_string(None).split(_HERE)
        return sql.SQL(
            "    EXECUTE pg_catalog.concat({}, pg_catalog.quote_ident(TG_TABLE_SCHEMA), '.',"
            " pg_catalog.quote_ident(TG_TABLE_NAME), {});\n"
        ).format(Literal(before), Literal(after))

    def _select(self, row: Row, gone: bool, source: Composable = _NOWHERE) -> Composed:
        value = self.asked.value.call(row)
        if isinstance(self.touch, Log):
            left: Composable = self.asked.left.call(row) if self.asked.left and gone else sql.SQL("NULL")
            table, columns = LOG, sql.SQL("source_key, old")
            values = sql.SQL("{}, {}").format(value, left)
        else:
            table, columns = MARK, sql.SQL("path, old_link" if gone else "path, new_link")
            values = sql.SQL("{}, {}").format(self._path, value)
        return _ONE.format(table=table, columns=columns, values=values, value=value, source=source, **self._names)

    def of_both(self) -> Composed:
        """Of an update that may have moved the row to another item, or its item to another key."""
        old, new = self.asked.value.call("OLD"), self.asked.value.call("NEW")
        if isinstance(self.touch, Log):
            left: Composable = self.asked.left.call("OLD") if self.asked.left else sql.SQL("NULL")
            told = {f"tell_{key}": self._tell(sql.SQL(f"{key}_key"), 4) for key in ("old", "new")}
            return _LOG_MOVED.format(old=old, new=new, left=left, insert=_INTO_LOG, **told, **self._names)
        return _MARK_MOVED.format(old=old, new=new, insert=_INTO_MARK, path=self._path, **self._names)

    def _tell(self, key: Composable, depth: int) -> Composed:
        """Marks are not told of: nobody knows yet which items they reach."""
        known = isinstance(self.touch, Log)
        return tell(self.migration, self.touch.item_type, key, depth) if known else Composed([])

    @property
    def _names(self) -> dict[str, Composable]:
        return {"migration": Literal(self.migration), "item_type": Literal(self.touch.item_type)}

    @property
    def _path(self) -> Literal:
        return Literal(".".join(self.touch.path) if isinstance(self.touch, Mark) else "")

    def of_update(self) -> Composed:
        return sql.SQL("        IF {} THEN\n{}        ELSE\n{}        END IF;\n").format(
            self.asked.moved.call("OLD", "NEW"), self.of_both(), self.of_one("NEW", 3)
        )


def _from(table: Composable) -> Composed:
    return sql.SQL(" FROM ONLY {} AS {}").format(table, sql.SQL(_EACH))


def updates(writers: Sequence[TouchWriter]) -> list[Composed]:
    """Each touch where a column that it asks for has changed; those that ask for the same columns ask once."""
    groups: dict[str, list[TouchWriter]] = {}
    for writer in writers:
        groups.setdefault(writer.asked.differ.name, []).append(writer)
    return [
        sql.SQL("    IF {} THEN\n{}    END IF;\n").format(
            group[0].asked.differ.call("OLD", "NEW"), Composed([writer.of_update() for writer in group])
        )
        for group in groups.values()
    ]
