"""Assessments that nobody would choose: names that are markup or reorder text, many tables, tables in circles."""

from __future__ import annotations

from datetime import datetime

import yaml

from pipelines.assess.design import Choice, Design, DesignWarning, Judged, WarningKind
from pipelines.assess.evidence import Evidence, ForeignKey
from pipelines.assess.patterns import Patterns
from tests.assess_evidence import AT, Known, evidence_of, patterns_of, ref

SCRIPT = "<script>alert('table')</script>"
QUOTES = "\"'`&amp;--></svg></title><img/src=x/onerror=alert(1)>"
RIGHT_TO_LEFT = "\u202eהזמנות\u2066طلبات"
WIDE = "注文明細" * 12
TEMPLATE = "{{7*7}}{%raw%}"
NAMES = (SCRIPT, QUOTES, RIGHT_TO_LEFT, WIDE, TEMPLATE)


def hostile() -> tuple[Evidence, Patterns, Design]:
    tables = [_named(name, NAMES[number - 1] if number else "") for number, name in enumerate(NAMES)]
    tables.append(Known("wide", " ".join(["id", *(f"c{number}" for number in range(1_000))]), "id", unique=["c1"]))
    evidence = evidence_of(*tables)
    strange = evidence.model_copy(
        update={
            "source": f"host:5432/{SCRIPT}",
            "notes": NAMES,
            "foreign_keys": tuple(
                ForeignKey(
                    name=child,
                    table=ref(child),
                    columns=(f"{child}{parent}",),
                    parent=ref(parent),
                    parent_columns=(parent,),
                    on_delete="cascade",
                )
                for child, parent in zip(NAMES[1:], NAMES, strict=False)
            ),
        }
    )
    quoted = SCRIPT.replace('"', '""')
    patterns = patterns_of(
        strange,
        f'SELECT * FROM "{quoted}" WHERE "{quoted}" = $1',
        "SELECT " + ", ".join(f"c{number}" for number in range(1_000)) + " FROM wide WHERE id = $1",
        "SELECT count(*) FROM wide GROUP BY c7",
    )
    judged = Judged(
        name=f"{SCRIPT}.yaml",
        file=f"/{QUOTES}/{SCRIPT}.yaml",
        mapping_hash="ab" * 32,
        mapping=_mapping(),
        choices=tuple(Choice(about=name, rule=name, reason=name, turned_down=(name,)) for name in NAMES),
        answers=(),
        warnings=tuple(
            DesignWarning(kind=kind, about=name, text=name, evidence={name: 1.0})
            for kind, name in zip(WarningKind, NAMES * 2, strict=True)
        ),
        estimates=None,
    )
    return strange, patterns, _design(strange, judged)


def many(count: int) -> tuple[Evidence, Patterns]:
    """Each table refers to two earlier ones, and the first to the last: one large circle, and many small ones. Every
    tenth stands alone."""
    tables = [
        Known(
            _name(number),
            "id up other note",
            "id",
            rows=count * 10 - number,
            parents={} if number % 10 == 9 else _parents(number, count),
        )
        for number in range(count)
    ]
    evidence = evidence_of(*tables, window_seconds=60.0)
    return evidence, patterns_of(evidence, *(f"SELECT * FROM {_name(n)} WHERE id = $1" for n in range(0, count, 2)))


def circle(*names: str) -> Evidence:
    """Each refers to the next, the last to the first."""
    return evidence_of(
        *(
            Known(name, "id next", "id", parents={"next": names[(number + 1) % len(names)]})
            for number, name in enumerate(names)
        )
    )


def _name(number: int) -> str:
    return f"table_{number:03}"


def _parents(number: int, count: int) -> dict[str, str]:
    if number == 0:
        return {"up": _name(count - 2)}
    return {"up": _name(number * 2 // 3 // 10 * 10), "other": _name(number // 3 // 10 * 10 + number % 7)}


def _named(name: str, parent: str) -> Known:
    """With a column of its own name, and one that holds its parent's key."""
    return Known(name, f"{name} {name}{parent} note", name)


def _mapping() -> str:
    return yaml.safe_dump(
        {
            "migration": "strange",
            "target": {
                "tables": {
                    "strange": {
                        "partition_key": {"name": SCRIPT, "type": "S"},
                        "indexes": {"by_it": {"partition_key": {"name": QUOTES, "type": "S"}}},
                    }
                }
            },
            "items": {
                f"{SCRIPT}{number}": {
                    "table": "strange",
                    "from": name,
                    "key": {SCRIPT: f"{SCRIPT}#{number}"},
                    "set": {QUOTES: name.replace("{", "{{").replace("}", "}}")},
                    "embed": {SCRIPT: {"from": name, "on": {name: name}, "as": "list"}},
                }
                for number, name in enumerate(NAMES)
            },
        },
        allow_unicode=True,
    )


def _design(evidence: Evidence, *judged: Judged, at: datetime = AT) -> Design:
    return Design(source=evidence.source, evidence_taken_at=at, mappings=judged, notes=NAMES)
