"""Evidence that applications leave in the control table: each query's stage, and its counts hour by hour."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pipelines.cutover.evidence import Hour, QuerySeen, Reads, Unknown
from pipelines.cutover.readings import LOOK_BACK_HOURS
from pipelines.errors import TargetError
from pipelines.routing.changing import queries
from pipelines.routing.evidence import of_counts
from pipelines.routing.histogram import of_document
from pipelines.routing.hours import hour_begin, hours_back
from pipelines.routing.stage import Setting, stage_key
from pipelines.target.control_table import ControlTable, NoControlTableError, Row


def read_reads(table: ControlTable, now: datetime) -> Reads | Unknown:
    """Of every query that an application has made itself known with."""
    try:
        return Reads(tuple(_query(table, name, now) for name in queries(table)))
    except NoControlTableError:
        return Unknown("no query has made itself known", "build `Router` into the application (docs/routing.md)")
    except TargetError as error:
        return Unknown(str(error).splitlines()[0])


def _query(table: ControlTable, name: str, now: datetime) -> QuerySeen:
    try:
        setting = Setting.of(table.get(stage_key(name)))
        changed_at = datetime.fromisoformat(setting.changed_at) if setting.changed_at else None
    except ValueError:
        raise TargetError(f"table {table.name}: the stage of query {name} is none; set it again") from None
    hours: dict[str, Hour] = {}
    for row in table.query(f"query#{name}", *hours_back("count", now, LOOK_BACK_HOURS)):
        try:
            _add(hours, row)
        except ValueError:
            raise TargetError(f"table {table.name}: a count of query {name} is none of Crossover's") from None
    return QuerySeen(name, setting.stage.value, setting.forced, changed_at, tuple(hours[at] for at in sorted(hours)))


def _add(hours: dict[str, Hour], row: Row) -> None:
    """Raises ValueError where it is no count."""
    at = row.key.sk.split("#")[1]
    hour = hours.get(at)
    if hour is None:
        hour = hours[at] = Hour(hour_begin(at), Counter(), {})
    hour.counts.update(of_counts(row.document.get("counts")))
    durations = row.document.get("durations")
    for whose, histogram in (durations if isinstance(durations, dict) else {}).items():
        hour.durations.setdefault(whose, Counter()).update(of_document(histogram))
