"""RDS calls an export complete that left tables out, and says so in a warning only. Here a warning is an error,
unless it is about a table that the mapping does not read.

A task's WarningMessage is JSON in a text, `{"skippedTables": […], "skippedObjectives": […], "general": […]}`:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.Monitoring.html
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from pydantic import JsonValue

from pipelines.errors import SourceError
from pipelines.source.rds_export.info import TableInfo
from pipelines.source.rds_export.words import in_one_line, texts_of

SKIPPED_TABLES = "skippedTables"


def warnings_in_tables_info(tables: Mapping[str, TableInfo], targets: Collection[str]) -> list[str]:
    """Those about other tables and databases, a line each.

    `targets`: `database.schema.table` of the tables that are read. Raises SourceError for a warning about one of
    them, or about their schema or database.
    """
    concerned = set(targets) | _above(targets)
    lines = []
    for target, table in tables.items():
        if table.warning_message in (None, "", [], {}, [None]):
            continue
        what = f"{in_one_line(target)}: {_words(table.warning_message)}"
        if target in concerned:
            raise SourceError(f"the export warns about {what}")
        lines.append(f"the export warns about {what}; it is not mapped")
    return lines


def warnings_of_task(message: JsonValue, targets: Collection[str]) -> list[str]:
    """The same for a task's warning. Also raises for one that does not say which tables it is about."""
    lines = []
    for kind, entry in _entries(_opened(message)):
        named = _named(entry, targets)
        if named is not None:
            raise SourceError(f"the export warns about {named} ({kind}): {_words(entry)}")
        if kind != SKIPPED_TABLES:
            raise SourceError(f"the export warns, and no table can be ruled out ({kind}): {_words(entry)}")
        lines.append(f"the export skipped a table that is not mapped: {_words(entry)}")
    return lines


def _entries(warning: JsonValue) -> Iterable[tuple[str, JsonValue]]:
    if isinstance(warning, dict):
        return [(kind, one) for kind, part in warning.items() for one in (part if isinstance(part, list) else [part])]
    return [("general", warning)] if warning else []


def _opened(message: JsonValue) -> JsonValue:
    if not isinstance(message, str):
        return message
    try:
        opened: JsonValue = json.loads(message)
    except ValueError:
        return message
    return opened


def _named(entry: JsonValue, targets: Collection[str]) -> str | None:
    """The table that the entry names, with or without the database."""
    texts = set(texts_of(entry))
    return next((name for name in targets if name in texts or name.split(".", 1)[1] in texts), None)


def _above(targets: Collection[str]) -> set[str]:
    schemas = {target.rsplit(".", 1)[0] for target in targets}
    return schemas | {schema.rsplit(".", 1)[0] for schema in schemas}


def _words(warning: JsonValue) -> str:
    return in_one_line(", ".join(texts_of(warning)) or json.dumps(warning))
