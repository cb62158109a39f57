"""`crossover permissions`: what is printed suffices, and nothing of it is too much."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pipelines import cli
from pipelines.backfill import run_backfill
from pipelines.capture import capture_status, install_capture, uninstall_capture
from pipelines.check import check
from pipelines.errors import CrossoverError, SourceError
from pipelines.fanout import in_process
from pipelines.judging.opened import opened_judge
from pipelines.judging.suspect import Suspect
from pipelines.judging.verdict import Verdict
from pipelines.migration import Migration
from pipelines.permissions.grants import Statement, grants
from pipelines.permissions.ledger import LEDGER_RIGHTS
from pipelines.permissions.permissions import read_source
from pipelines.permissions.purpose import Purpose
from pipelines.permissions.statements import TABLE_ACTIONS
from pipelines.repair.apply import apply_repair
from pipelines.snapshot import take_snapshot
from pipelines.source.child_process import binaries
from pipelines.source.connect import connect
from pipelines.source.ledger.health import oldest_seconds, set_paused
from pipelines.source.ledger.relays import beat, end_relay
from pipelines.source.ledger.replay import replay_item_type
from pipelines.source.ledger.session import LedgerSession
from pipelines.target.embedded import EmbeddedDynamoDB
from pipelines.target.statements import Statements
from tests.acting_endpoint import Act, ActingEndpoint
from tests.captured_shop import Captured, database, opened
from tests.delivered_shop import EPOCH, MAPPING, SCHEMA, Delivering, put, source_key, swept, tables
from tests.online_verification import compared, prepared
from tests.repaired_shop import changed, of_order, of_seat, quick_clients, removed, run_of

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quick_clients")]
__all__ = ["quick_clients"]

OWNER, OTHER_OWNER, PASSWORD = "shop_owner", "other_owner", "hunter2"
OWNED = """
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE ROLE {owner};
GRANT USAGE, CREATE ON SCHEMA public TO {owner};
SET ROLE {owner};
{schema}
RESET ROLE;
"""
SECRETIVE = (
    MAPPING.replace('key: {pk: "{place}"}', 'key: {pk: "{place}"}, exclude: [secret]') + "checks: {settle_seconds: 0}\n"
)


SPOILT = Suspect("order", "orders", '{"pk":{"S":"C1"},"sk":{"S":"O2"}}', source_key(2))
GUEST = Suspect("seat", "seats", '{"pk":{"S":"B"}}', source_key(2))


class Recording(ActingEndpoint):
    """Only notes which actions are asked for."""

    def own(self) -> Mapping[str, Act]:
        return {}


@dataclass(frozen=True)
class Stage:
    """A captured shop whose tables belong to OWNER; nobody has a right that was not granted. `snapshot`: its records
    are made. `run`: of a diff, with differences."""

    admin: Delivering
    endpoint: Recording
    snapshot: str
    run: str

    def as_role(self, role: str) -> Delivering:
        return Delivering(Captured(url_of(self.admin.shop.url, role), self.admin.shop.migration))

    @contextmanager
    def source(self, shop: Delivering) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("CROSSOVER_SOURCE_URL", shop.shop.url)
            yield


@pytest.fixture(scope="module")
def stage(
    postgres_server: str, dynamodb_server: EmbeddedDynamoDB, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    dynamodb_server.reset()
    folder = tmp_path_factory.mktemp("permissions")
    endpoint = Recording(dynamodb_server.url)
    with (
        pytest.MonkeyPatch.context() as environment,
        endpoint.serving(),
        database(postgres_server, "permitted") as url,
    ):
        for name, value in dynamodb_server.environment().items():
            environment.setenv(name, value)
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint.url)
        environment.setenv("CROSSOVER_READERS", "1")
        environment.setenv("CROSSOVER_WAREHOUSE", str(folder / "warehouse"))
        shop = Captured(url, opened(folder, SECRETIVE))
        owned(url, OWNER)
        install_capture(shop.migration, url)
        admin = tables(shop)
        spoilt(admin)
        snapshot, _ = prepared(shop)
        try:
            yield Stage(admin, endpoint, snapshot, run_of(shop))
        finally:
            drop_roles(url, *(purpose.default_role for purpose in WORK), OWNER)


def spoilt(shop: Delivering) -> None:
    """Delivered, but for a seat that takes another one's place; then items of each kind that a backfill and a repair
    have to do with."""
    shop.run(
        "INSERT INTO products VALUES (7, 'pen')",
        "INSERT INTO orders VALUES (1, 1), (2, 1), (3, 1), (4, 1)",
        "INSERT INTO lines VALUES (1, 1, 7)",
        "INSERT INTO seats VALUES (1, 'A'), (2, 'B'), (3, 'C')",
    )
    shop.drain()
    shop.run("DELETE FROM orders WHERE id = 4")
    shop.drain()
    shop.run("UPDATE seats SET place = 'D' WHERE id = 1", "INSERT INTO seats VALUES (4, 'A')")
    removed("orders", of_order(2))
    changed("orders", of_order(3), note={"S": "spoilt"})
    changed("seats", of_seat("C"), _s={"S": '{"nobody":"1"}'})
    put("seats", {**of_seat("N"), "_v": {"N": str(EPOCH)}})


def owned(url: str, owner: str) -> None:
    schema = SCHEMA.replace("guest text", "guest text, secret text")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OWNED.format(owner=owner, schema=schema).encode())
        connection.execute(f'REVOKE ALL ON DATABASE "{connection.info.dbname}" FROM PUBLIC'.encode())


def drop_roles(url: str, *roles: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for role in roles:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None:
                name = sql.Identifier(role)
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE; DROP ROLE {}").format(name, name))


def url_of(url: str, role: str) -> str:
    return re.sub("//[^@]*@", f"//{role}:{PASSWORD}@", url)


def granted(stage_url: str, migration: Migration, purpose: Purpose, capsys: pytest.CaptureFixture[str]) -> str:
    """Makes the purpose's role, by psql and by what the command prints; returns its name."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CROSSOVER_SOURCE_URL", stage_url)
        capsys.readouterr()
        assert cli.run(["permissions", str(migration.path), "--for", purpose.value, "--sql"]) == 0
    role, script = purpose.default_role, capsys.readouterr().out
    begin = f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}';\n"
    psql = [str(binaries() / "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", stage_url]
    done = subprocess.run(psql, input=begin + script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), script
    return role


def pieces(statement: str) -> list[tuple[str, str]]:
    """Each single right that a GRANT gives, a column's by itself: how it is given, and how it is taken away."""
    found = re.fullmatch(r"GRANT (.*?)(?: ON (.*))? TO (.*)", statement)
    assert found is not None
    rights, on, role = found.groups()
    where = "" if on is None else f" ON {on}"
    single: list[str] = []
    for name, columns in re.findall(r'("[^"]+"|[A-Z]+)(?: \(([^)]*)\))?', rights):
        single += [name] if not columns else [f"{name} ({column})" for column in columns.split(", ")]
    return [(f"GRANT {one}{where} TO {role}", f"REVOKE {one}{where} FROM {role}") for one in single]


def assert_none_is_too_much(url: str, statements: list[Statement], work: Callable[[], object]) -> None:
    """Without any single right some part of the work fails, in one line, which says that a right is missing."""
    idle: list[str] = []
    for statement in statements:
        for give, take in pieces(statement.sql) if statement.sql else ():
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(take.encode())
                try:
                    work()
                except CrossoverError as error:
                    assert "\n" not in str(error)
                    assert re.search("permission|permissions|GRANT|grant it", str(error)), (take, str(error))
                else:
                    idle.append(give)
                finally:
                    connection.execute(give.encode())
    work()
    assert idle == []


def reads(stage: Stage, shop: Delivering) -> None:
    migration = shop.shop.migration
    with connect(shop.shop.url) as connection:
        check(migration.mapping, connection)
    snapshot = take_snapshot(migration, shop.shop.url)
    if snapshot.gap:
        raise SourceError(snapshot.uncaptured)


def judges(stage: Stage, shop: Delivering) -> None:
    """What a verification does about a difference."""
    with opened_judge(shop.shop.migration, shop.shop.url) as judge:
        for suspect in (SPOILT, GUEST):
            (judgement,) = judge.judge(suspect.item_type, [suspect])
            assert judgement.verdict is (Verdict.MISSING if suspect is SPOILT else Verdict.MATCH)
        assert isinstance(judge.session, LedgerSession)
        oldest_seconds(judge.session, ["order", "seat"])


def relays(stage: Stage, shop: Delivering) -> None:
    """All that `relay` can be asked for, a sweep, and a repair that exchanges, removes and delivers."""
    with shop.session() as session:
        for paused in (True, False):
            set_paused(session, paused)
        replay_item_type(session, "order")
        beat(session, "a relay", None)
        end_relay(session, "a relay")
    assert not shop.drain().set_apart
    swept(shop)
    with stage.source(shop):
        assert apply_repair(shop.shop.migration, stage.run, frozenset()).failed == 0


def backfills(stage: Stage, shop: Delivering) -> None:
    """Beside another row's item, and beside another content of the same version."""
    with stage.source(shop):
        found = run_backfill(shop.shop.migration, in_process, snapshot_id=stage.snapshot, mode="live")
        assert found.conflicts > found.failed == 0


def compares(stage: Stage, shop: Delivering) -> None:
    """A dump and a diff, of which something is read again."""
    diff = compared(shop.shop, prepared(stage.admin.shop))
    assert diff.judged_again > diff.not_judged_again == 0


def fills(stage: Stage, shop: Delivering) -> None:
    """Cold, which overwrites."""
    with stage.source(shop):
        run_backfill(shop.shop.migration, in_process, snapshot_id=stage.snapshot, mode="cold", force=True)


WORK = {
    Purpose.READER: reads,
    Purpose.VERIFIER: judges,
    Purpose.BACKFILL: backfills,
    Purpose.RELAY: relays,
}


@pytest.mark.parametrize("purpose", WORK)
def test_a_role_has_what_it_needs_and_nothing_else(
    stage: Stage, purpose: Purpose, capsys: pytest.CaptureFixture[str]
) -> None:
    url, migration = stage.admin.shop.url, stage.admin.shop.migration
    role = granted(url, migration, purpose, capsys)
    shop = stage.as_role(role)
    statements = grants(purpose, read_source(migration.mapping, shop.shop.url), role)
    assert_none_is_too_much(url, statements, lambda: WORK[purpose](stage, shop))
    if purpose is Purpose.VERIFIER:
        reads(stage, shop)
        compares(stage, shop)
    if purpose in (Purpose.READER, Purpose.BACKFILL):
        with psycopg.connect(shop.shop.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT secret FROM public.seats")


def test_the_installer_has_what_it_needs_and_nothing_else(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migration = opened(tmp_path, SECRETIVE)
    owned(database_url, OTHER_OWNER)
    try:
        role = granted(database_url, migration, Purpose.INSTALLER, capsys)
        url = url_of(database_url, role)

        def installs() -> None:
            install_capture(migration, url)
            assert capture_status(migration, url).gaps == ()
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(
                    f"SET ROLE {OTHER_OWNER}".encode()
                )  # the application, which has no right to the ledger
                connection.execute("INSERT INTO public.seats VALUES (1, 'A'); TRUNCATE public.seats")
                connection.execute("RESET ROLE")
                assert connection.execute("SELECT count(*) > 1 FROM crossover.log").fetchone() == (True,)
            uninstall_capture(migration, url)

        statements = grants(Purpose.INSTALLER, read_source(migration.mapping, url), role)
        assert_none_is_too_much(database_url, statements, installs)
    finally:
        drop_roles(database_url, Purpose.INSTALLER.default_role, OTHER_OWNER)


def test_every_table_of_the_ledger_is_thought_of(stage: Stage) -> None:
    found = {name for (name,) in stage.admin.shop.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'crossover'")}
    relay = {right.table.as_string(None).split(".")[1].strip('"') for right in LEDGER_RIGHTS[Purpose.RELAY]}
    reverse = {right.table.as_string(None).split(".")[1].strip('"') for right in LEDGER_RIGHTS[Purpose.REVERSE]}
    assert relay | reverse == found


RECORDED = {
    Purpose.VERIFIER: (compares,),
    Purpose.BACKFILL: (backfills, fills),
    Purpose.RELAY: (relays,),
}
ELSEWHERE = {"GetItem"}
"""Looked up where an endpoint does not return what a put was refused for, as AWS does."""
SELDOM = {Purpose.RELAY: {"GetItem"}, Purpose.BACKFILL: {"Scan"}}
"""By a repair, after an exchange that was refused or not answered; by a cold backfill without --force, to see whether
a table is empty."""


@pytest.mark.parametrize("purpose", RECORDED)
def test_a_policy_allows_what_is_asked_for_and_nothing_else(
    stage: Stage, purpose: Purpose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BatchExecuteStatement, of INSERTs alone, is tried where there is no PartiQL, too: here."""
    monkeypatch.setattr("pipelines.target.statements._KNOWN", defaultdict(Statements))
    stage.admin.shop.run("UPDATE crossover.control SET sweeps = 0")  # the snapshot was made by hand, and has seen none
    stage.admin.run("INSERT INTO orders VALUES (9, 1)")
    stage.admin.drain()
    stage.admin.run("DELETE FROM orders WHERE id = 9")
    stage.endpoint.actions.clear()
    for work in RECORDED[purpose]:
        work(stage, stage.admin)
    asked = {action.replace("BatchExecuteStatement", "PartiQLInsert") for action in stage.endpoint.actions}
    printed = set(TABLE_ACTIONS[purpose])
    assert asked - ELSEWHERE == printed - SELDOM.get(purpose, set())
