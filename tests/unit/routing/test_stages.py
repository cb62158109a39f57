"""The stages while the control table cannot be read."""

from __future__ import annotations

import logging
import time
from typing import Any, cast

import pytest

from pipelines.routing.counters import Counters
from pipelines.routing.stage import Setting, Stage, stage_key
from pipelines.routing.stages import Stages
from pipelines.target.control_table import ControlTable, Key, Row

pytestmark = pytest.mark.unit


class Table:
    def __init__(self) -> None:
        self.away = False
        self.seconds = 0.0
        self.rows: dict[Key, Row] = {}

    def get_many(self, keys: list[Key]) -> dict[Key, Row]:
        time.sleep(self.seconds)
        if self.away:
            raise OSError("ann@example.org")
        return {key: self.rows[key] for key in keys if key in self.rows}

    def put(self, row: Row) -> None:
        if self.away:
            raise OSError
        self.rows[row.key] = row

    def set(self, stage: Stage) -> None:
        self.put(Row(stage_key("q"), Setting(stage).document(), 1))


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def stages(table: Table, counters: Counters) -> Stages:
    found = Stages(lambda: cast("ControlTable", table), counters, refresh_seconds=3600)
    found.register("q")
    return found


def test_the_last_known_stays_and_one_warning_is_given(
    table: Table, stages: Stages, caplog: pytest.LogCaptureFixture
) -> None:
    table.away = True
    with caplog.at_level(logging.WARNING):
        stages.refresh()
        stages.refresh()
        stages.flush()
        assert stages.of("q").stage is Stage.RDS
        assert len(caplog.messages) == 1 and "example.org" not in caplog.text
        table.away = False
        table.set(Stage.SHADOW)
        stages.refresh()
        table.away = True
        stages.refresh()
    assert stages.of("q").stage is Stage.SHADOW
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("document", [{"stage": "elsewhere", "share": 0}, {"stage": "canary", "share": 7}, {}])
def test_a_row_that_is_no_stage_changes_nothing(table: Table, stages: Stages, document: Any) -> None:
    table.set(Stage.SHADOW)
    stages.refresh()
    table.put(Row(stage_key("q"), document, 2))
    stages.refresh()
    assert stages.of("q").stage is Stage.SHADOW


def test_counts_that_cannot_be_written_are_kept(table: Table, stages: Stages, counters: Counters) -> None:
    counters.add("q", "rds_answers")
    table.away = True
    stages.flush()
    table.away = False
    stages.flush()
    assert [row.document["counts"] for key, row in table.rows.items() if key.sk.startswith("count#")] == [
        {"rds_answers": 1}
    ]
    assert Key("queries", "q") in table.rows


def test_the_first_call_waits_until_the_stage_is_known(table: Table, stages: Stages) -> None:
    table.set(Stage.DYNAMODB)
    table.seconds = 0.2
    try:
        assert stages.of("q").stage is Stage.DYNAMODB
    finally:
        stages.close()
