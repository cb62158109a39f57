"""The state as the control table keeps it: changed against the version that was read, with evidence, on record."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.cutover.gate import Gate
from pipelines.cutover.states import STATE, Standing, State
from pipelines.errors import StageError, TargetError
from pipelines.target.control_table import ControlTable, Key, NoControlTableError, Row

if TYPE_CHECKING:
    from pydantic import JsonValue

AUDIT = "audit"
WHAT = "cutover"


@dataclass(frozen=True)
class Move:
    """One row of the trail. `ended`: False where a step was begun only."""

    at: datetime
    by: str
    of: str
    to: str
    mapping_hash: str
    ended: bool
    gates: tuple[Gate, ...]


def read_standing(table: ControlTable) -> Standing:
    """Not begun where there is no control table. Raises TargetError."""
    try:
        return Standing.of(table.get(STATE))
    except NoControlTableError:
        return Standing()
    except ValueError:
        raise TargetError(f"table {table.name}: the cut-over's state is none of Crossover's") from None


def begin(
    table: ControlTable, was: Standing, to: State, mapping_hash: str, gates: Sequence[Gate], now: datetime
) -> Standing:
    """The step may be gone on with from now on without its gates being asked again. Raises StageError where somebody
    else has moved the migration since `was` was read; TargetError."""
    moving = replace(was, moving=to, mapping_hash=mapping_hash, version=was.version + 1)
    _put(table, was, moving, to, mapping_hash, gates, now, ended=False)
    return moving


def enter(
    table: ControlTable, was: Standing, to: State, mapping_hash: str, gates: Sequence[Gate], now: datetime
) -> Standing:
    """Raises as `begin`."""
    entered = Standing(to, now, who(), mapping_hash, None, was.version + 1)
    _put(table, was, entered, to, mapping_hash, gates, now, ended=True)
    return entered


def trail(table: ControlTable) -> Iterator[Move]:
    """Every move, oldest first. Raises TargetError."""
    for row in table.query(AUDIT, " ", "\U0010ffff"):
        if row.document.get("what") == WHAT:
            try:
                yield _move(row)
            except (KeyError, TypeError, ValueError):
                raise TargetError(f"table {table.name}: a row of its audit trail is none of Crossover's") from None


def who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _put(
    table: ControlTable,
    was: Standing,
    row: Standing,
    to: State,
    mapping_hash: str,
    gates: Sequence[Gate],
    now: datetime,
    *,
    ended: bool,
) -> None:
    at = now.isoformat(timespec="microseconds")
    audit: dict[str, JsonValue] = {
        "what": WHAT,
        "from": was.name,
        "to": to.value,
        "by": who(),
        "mapping_hash": mapping_hash,
        "ended": ended,
        "gates": [gate_document(gate) for gate in gates],
    }
    if not table.put_next(Row(STATE, row.document(), row.version), Row(Key(AUDIT, f"{at}#{WHAT}"), audit)):
        raise StageError("cutover: somebody else has moved this migration just now; look, then run again")


def gate_document(gate: Gate) -> dict[str, JsonValue]:
    return {
        "gate": gate.name,
        "passed": gate.passed,
        "said": gate.said,
        "remedy": gate.remedy,
        "numbers": dict(gate.numbers),
    }


def gate_of(document: object) -> Gate:
    """Raises KeyError, TypeError or ValueError where it is none."""
    if not isinstance(document, dict) or not isinstance(document["numbers"], dict):
        raise TypeError("no gate")
    numbers = {str(name): number for name, number in document["numbers"].items() if isinstance(number, int | float)}
    return Gate(
        str(document["gate"]), document["passed"] is True, str(document["said"]), str(document["remedy"]), numbers
    )


def _move(row: Row) -> Move:
    found = row.document
    gates = found["gates"]
    if not isinstance(gates, list):
        raise TypeError("no gates")
    return Move(
        at=datetime.fromisoformat(row.key.sk.partition("#")[0]),
        by=str(found["by"]),
        of=str(found["from"]),
        to=str(found["to"]),
        mapping_hash=str(found["mapping_hash"]),
        ended=found["ended"] is True,
        gates=tuple(gate_of(one) for one in gates),
    )
