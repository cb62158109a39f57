"""The asset checks that ask the source: whether capture is whole, and how long changes wait for delivery."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import psycopg
import pytest

from dagster_defs.check import Newest
from dagster_defs.check_source import capture_checks
from pipelines.capture import uninstall_capture
from pipelines.migration import Migration
from tests.captured_shop import SCHEMA, Captured, captured, opened

pytestmark = pytest.mark.integration

SOURCE = "CROSSOVER_SOURCE_URL"


def look(migration: Migration) -> dict[str, tuple[bool, str]]:
    """Of each check, whether it passes and what it says."""
    capture = dg.AssetKey(["small", "capture"])
    found = [check.result(capture, Newest(migration)) for check in capture_checks()]
    return {one.check_name or "": (one.passed, one.description or "") for one in found}


@pytest.fixture
def shop(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Captured:
    monkeypatch.setenv(SOURCE, database_url)
    return captured(database_url, tmp_path)


def test_before_capture_is_installed_there_is_nothing_to_check(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOURCE, database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(SCHEMA.encode())
    skipped = (True, "skipped: capture is not installed, so verdicts go by content alone")
    assert look(opened(tmp_path)) == {"capture_intact": skipped, "lag_within_limit": skipped}


def test_a_change_that_waits_too_long(shop: Captured) -> None:
    assert look(shop.migration) == {
        "capture_intact": (True, "on, epoch 1, 7 tables"),
        "lag_within_limit": (True, "all changes are delivered"),
    }
    shop.run(
        "INSERT INTO products VALUES (1, 'desk')",
        "UPDATE crossover.control SET on_at = on_at - interval '1 hour'",
    )
    found = look(shop.migration)
    assert found["capture_intact"][0]
    passed, said = found["lag_within_limit"]
    assert not passed
    assert said.startswith("the oldest change waits for 3,60") and "300 allowed" in said
    assert said.endswith(f"Next: `crossover relay {shop.migration.path} --status` says why")
    shop.run("UPDATE crossover.control SET paused = true")
    assert "--resume`: deliveries are paused" in look(shop.migration)["lag_within_limit"][1]


def test_a_trigger_that_is_disabled_and_a_capture_that_is_gone(shop: Captured) -> None:
    shop.run("ALTER TABLE products DISABLE TRIGGER ALL")
    passed, said = look(shop.migration)["capture_intact"]
    assert not passed
    assert "is disabled: it has captured nothing since" in said and ", and 3 more" in said
    assert said.endswith(
        f"Next: `crossover capture {shop.migration.path} status` lists what is wrong, and what mends it"
    )
    uninstall_capture(shop.migration, shop.url)
    passed, said = look(shop.migration)["capture_intact"]
    assert not passed and said.startswith("capture: not installed")


def test_a_source_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCE, "postgresql://u:hidden@127.0.0.1:9/small")
    for passed, said in look(opened(tmp_path)).values():
        assert not passed
        assert said.startswith("could not be checked: ") and "hidden" not in said and "\n" not in said
