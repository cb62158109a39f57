"""Where a migration's cut-over stands, as the page over all migrations shows it: as it was looked at last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from expectations.cutover_charts import QueryCharts, charts_of
from expectations.display import visible
from pipelines.cutover.gate import Gate
from pipelines.cutover.kept import Status, kept_status
from pipelines.cutover.states import State
from pipelines.errors import WarehouseError
from pipelines.warehouse.layout import MigrationFolder


@dataclass(frozen=True)
class StateView:
    """`standing`: done, now, or to come."""

    name: str
    standing: str


@dataclass(frozen=True)
class GateView:
    name: str
    passed: bool
    said: str
    remedy: str


@dataclass(frozen=True)
class CutoverView:
    """As of `at`. `states`: all of them, in their order. `moving`: a step that has not ended, or ""."""

    at: datetime
    state: str
    since: datetime | None
    by: str
    following: str
    moving: str
    states: tuple[StateView, ...]
    gates: tuple[GateView, ...]
    queries: tuple[QueryCharts, ...]

    @property
    def missing(self) -> int:
        return sum(not gate.passed for gate in self.gates)


def cutover_view(folder: MigrationFolder) -> tuple[CutoverView | None, str]:
    """None where nobody has looked, or where it cannot be read: why, then."""
    try:
        status = kept_status(folder)
    except WarehouseError as error:
        return None, f"Its cut-over cannot be shown: {error}."
    return (None if status is None else _view(status)), ""


def _view(status: Status) -> CutoverView:
    standing = status.standing
    rank = -1 if standing.state is None else standing.state.rank
    return CutoverView(
        at=status.at,
        state=standing.name,
        since=standing.since,
        by=visible(standing.by),
        following=status.following.value if status.following is not None else "",
        moving=standing.moving.value if standing.moving is not None else "",
        states=tuple(StateView(state.value.replace("_", " "), _place(state, rank)) for state in State),
        gates=tuple(_gate(gate) for gate in status.gates),
        queries=tuple(_charts(charts_of(query, status.at)) for query in status.queries),
    )


def _place(state: State, rank: int) -> str:
    return "now" if state.rank == rank else "done" if state.rank < rank else "to come"


def _gate(gate: Gate) -> GateView:
    return GateView(gate.name.replace("_", " "), gate.passed, visible(gate.said), visible(gate.remedy))


def _charts(charts: QueryCharts) -> QueryCharts:
    """A query's name is the application's."""
    return replace(charts, name=visible(charts.name))
