"""Whatever a statement does, every item whose content it changes gets a higher version, or a mark reaches it until it
has one. What changed is found by plain SQL over the whole shop, before and after."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from pipelines.mapping.plan import MigrationPlan
from pipelines.source.ledger.compaction import compact
from pipelines.source.ledger.marks import expand_marks, open_marks
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.ledger.version import first_version, versions_known
from tests.captured_shop import TABLES, Captured, Key, captured, items

pytestmark = pytest.mark.property

small = st.integers(1, 3)
maybe = st.one_of(st.just("NULL"), small.map(str))
word = st.sampled_from(["'a'", "'b'", "NULL", "'ä\"\\'"])
status = st.sampled_from(["'placed'", "'paid'", "'draft'"])
number = st.sampled_from(["1.0", "1.00", "2", "NULL"])
spec = st.sampled_from(["'{\"a\":1}'", "'{\"a\": 1}'", "NULL"])

VALUES: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "customers": {"customer_id": small.map(str), "name": word, "secret": word},
    "products": {"product_id": small.map(str), "name": word, "stock": maybe, "spec": spec},
    "employees": {"employee_id": small.map(str), "name": word, "boss_id": maybe},
    "orders": {
        "order_id": small.map(str),
        "customer_id": maybe,
        "status": status,
        "rep_id": maybe,
        "total": number,
        "unused": word,
    },
    "lines": {
        "order_id": small.map(str),
        "line_no": small.map(str),
        "product_id": maybe,
        "quantity": st.sampled_from(["0", "1", "2"]),
        "unused": word,
    },
    "order_labels": {"order_id": maybe, "label_id": maybe},
    "labels": {"label_id": small.map(str), "word": word},
}


@st.composite
def statements(draw: st.DrawFn) -> str:
    table = draw(st.sampled_from(TABLES))
    columns = VALUES[table]
    row = {name: draw(values) for name, values in columns.items()}
    names = ", ".join(row)
    changed = draw(st.sampled_from(sorted(row)))
    where = draw(
        st.sampled_from(
            ["", *(f" WHERE {name} = {value}" for name, value in row.items() if value != "NULL" and name != "spec")]
        )
    )
    many = ", ".join(f"({', '.join(draw(values) for values in columns.values())})" for _ in range(draw(small)))
    return draw(
        st.sampled_from(
            [
                f"INSERT INTO {table} ({names}) VALUES {many} ON CONFLICT DO NOTHING",
                f"INSERT INTO {table} ({names}) VALUES ({', '.join(row.values())})",
                f"UPDATE {table} SET {changed} = {row[changed]}{where}",
                f"UPDATE {table} SET {changed} = {row[changed]}{where}",
                f"DELETE FROM {table}{where}",
                f"TRUNCATE {table} CASCADE",
            ]
        )
    )


class Writers(RuleBasedStateMachine):
    shop: ClassVar[Captured]
    plan: ClassVar[MigrationPlan]

    def __init__(self) -> None:
        super().__init__()
        self.connection: Connection[TupleRow] = psycopg.connect(self.shop.url, autocommit=True)
        self.connection.isolation_level = IsolationLevel.REPEATABLE_READ
        self.relay = connect_writable(self.shop.url)

    def teardown(self) -> None:
        self.connection.close()
        self.relay.close()

    @initialize()
    def empty(self) -> None:
        self.shop.refill()

    @rule(batch=st.lists(statements(), min_size=1, max_size=3))
    def write(self, batch: list[str]) -> None:
        content, versions, _ = self.look()
        try:
            with self.connection.transaction():
                for statement in batch:
                    self.connection.execute(statement.encode())
        except psycopg.errors.IntegrityError:
            pass
        now, now_versions, reached = self.look()
        changed = {key for key in content | now if content.get(key) != now.get(key)}
        assert {key for key in changed if not (rose(key, versions, now_versions) or key in reached)} == set()
        expand_marks(self.relay, self.plan)
        _, later_versions, left = self.look()
        assert {key for key in changed if not rose(key, versions, later_versions)} == set()
        assert left == set()

    @rule(most=st.integers(1, 20))
    def fold(self, most: int) -> None:
        before = self.look()
        compact(self.relay, "small", most)
        assert self.look() == before

    def look(self) -> tuple[dict[Key, str], dict[Key, int], set[Key]]:
        """All items, the versions that the ledger knows, and what marks reach, in one snapshot."""
        with self.connection.transaction():
            found = self.connection.execute(versions_known("small")).fetchall()
            reached = open_marks(self.connection, self.plan)
            return (
                items(self.connection),
                {(item_type, source_key): version for item_type, source_key, version, _ in found},
                {(item_type, source_key) for item_type, keys in reached.items() for source_key in keys},
            )


def rose(key: Key, before: dict[Key, int], after: dict[Key, int]) -> bool:
    return after.get(key, first_version(1)) > before.get(key, first_version(1))


def test_every_change_of_an_item_is_seen(database_url: str, tmp_path: Path) -> None:
    Writers.shop = captured(database_url, tmp_path)
    Writers.plan = Writers.shop.plan()
    limits = settings(
        max_examples=25,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Writers, settings=limits)
    with closing(connect_writable(database_url)) as connection:
        assert expand_marks(connection, Writers.plan).marks == 0
