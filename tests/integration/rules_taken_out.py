"""How each rule that `test_protocol_failures` holds is taken out: in the database, or in the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pipelines import capture
from pipelines.deliver import deliverer, reading, settle
from pipelines.deliver import sweep as sweep_module
from pipelines.deliver import writes as writes_module
from pipelines.source.ledger import install, marks
from pipelines.source.ledger.backfills import begin_sweep
from pipelines.source.ledger.claim import claim as real_claim
from pipelines.source.ledger.control import begin_epoch
from pipelines.source.ledger.mark_delivered import Receipt, mark_delivered
from pipelines.source.ledger.session import LedgerSession
from pipelines.target import conditional_write, write_verdict
from pipelines.target.conditional_write import Sent
from pipelines.target.write_verdict import Now, Verdict

EACH_TRIGGER = """
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tgrelid::regclass AS name, tgname FROM pg_trigger WHERE tgname LIKE 'crossover:%{like}' LOOP
        EXECUTE format('{statement}', one.tgname, one.name);
    END LOOP;
END $$"""

FAN_OUT_INSIDE = """
CREATE FUNCTION public.fan_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO crossover.log (migration, item_type, source_key)
        SELECT NEW.migration, NEW.item_type, '{"id":"' || l.order_id || '"}' FROM public.lines l
        WHERE l.product::text IN (NEW.old_link[1], NEW.new_link[1]);
    RETURN NULL;
END $$;
CREATE TRIGGER fan_out BEFORE INSERT ON crossover.mark FOR EACH ROW EXECUTE FUNCTION public.fan_out();
ALTER TABLE crossover.mark ENABLE ALWAYS TRIGGER fan_out"""

KEY_IN_TRIGGER = """
CREATE TABLE public.key_at_change (at bigserial, source_key text, customer int);
CREATE FUNCTION public.keep_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.key_at_change (source_key, customer)
        SELECT NEW.source_key, customer FROM public.orders WHERE id::text = NEW.source_key::json ->> 'id';
    RETURN NEW;
END $$;
CREATE TRIGGER keep_key BEFORE INSERT ON crossover.log FOR EACH ROW EXECUTE FUNCTION public.keep_key()"""


@dataclass(frozen=True)
class TakenOut:
    """`in_database` is given what runs statements there."""

    in_database: Callable[[Callable[..., None]], None] = lambda run: None
    in_engine: Callable[[pytest.MonkeyPatch], None] = lambda patch: None


def _statements(*statements: str) -> TakenOut:
    return TakenOut(in_database=lambda run: run(*statements))


def _replaced(target: object, name: str, value: object) -> TakenOut:
    return TakenOut(in_engine=lambda patch: patch.setattr(target, name, value))


def _key_of_the_change(patch: pytest.MonkeyPatch) -> None:
    """What was changed is delivered at the key that its row had for whoever changed it."""
    latest: dict[str, int] = {}

    def claim(session: LedgerSession, *arguments: Any) -> list[str]:
        found = session.connection.execute("SELECT source_key, customer FROM public.key_at_change ORDER BY at")
        latest.update(dict(found.fetchall()))
        return real_claim(session, *arguments)

    def writes(item: Any, one: Any) -> Sequence[Any]:
        return [
            wanted
            for wanted in writes_module.writes(item, one)
            if wanted.write.item is None or f'"C{latest[one.source_key]}"' in wanted.write.key
        ]

    patch.setattr(deliverer, "claim", claim)
    patch.setattr(deliverer, "writes", writes)


def _mark_ended_by_itself(patch: pytest.MonkeyPatch) -> None:
    real = marks._take

    def take(connection: psycopg.Connection[Any], *arguments: Any) -> Any:
        with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as other:
            return real(other, *arguments)

    patch.setattr(marks, "_take", take)


def _marked_once_read(patch: pytest.MonkeyPatch) -> None:
    def read(session: LedgerSession, item: Any, source_keys: Sequence[str]) -> Any:
        readings = reading.read(session, item, source_keys)
        receipts = [Receipt(one.source_key, one.version, one.kept) for one in readings]
        mark_delivered(session, item.name, receipts, "nobody")
        return readings

    patch.setattr(deliverer, "read", read)


def _refused_is_superseded(answered: Any, left: Any, now: Any) -> Verdict:
    return Verdict.SUPERSEDED if answered.sent is Sent.REFUSED else write_verdict.judge(answered, left, now)


def _foreign_items_overwritten(patch: pytest.MonkeyPatch) -> None:
    """Conditions are kept once they are made, those of earlier tests too: this one is made anew each time."""
    patch.setattr(conditional_write, "_NEWER", "attribute_not_exists(#v) OR attribute_not_exists(#pk) OR #v < :v")
    patch.setattr(conditional_write, "_condition", conditional_write._condition.__wrapped__)


_of_its_own, _of_another = write_verdict._of_its_own, write_verdict._of_another


def _anything_newer_is_superseded(refused: Any, now: Now) -> Verdict:
    return _of_its_own(refused, Now(max(refused.met.version, now.version), now.moved))


def _tombstones_of_others_supersede(refused: Any) -> Verdict:
    return Verdict.SUPERSEDED if refused.met.is_tombstone else _of_another(refused)


def _on_from_the_beginning(*arguments: Any) -> sql.Composed:
    text: Any = begin_epoch(*arguments).as_string(None).replace("'off'", "'on'")
    return sql.Composed([sql.SQL(text)])


RULES_TAKEN_OUT = {
    "fan_out_race": _statements(FAN_OUT_INSIDE),
    "key_change_race": TakenOut(lambda run: run(KEY_IN_TRIGGER), _key_of_the_change),
    "mark_after_crash": TakenOut(in_engine=_mark_ended_by_itself),
    "mark_after_crash_of_a_delivery": TakenOut(in_engine=_marked_once_read),
    "late_put_after_sweep": _replaced(sweep_module, "begin_sweep", lambda session, wait: begin_sweep(session, -1.0)),
    "refused_is_not_delivered": _replaced(settle, "judge", _refused_is_superseded),
    "foreign_item": TakenOut(in_engine=_foreign_items_overwritten),
    "too_high_version": _replaced(write_verdict, "_of_its_own", _anything_newer_is_superseded),
    "truncate": _statements(EACH_TRIGGER.format(like=":truncate", statement="DROP TRIGGER %I ON %s")),
    "truncate_beside_a_reading": _replaced(reading, "tables_of", lambda item: []),
    "reinstall": _replaced(capture, "read_epoch", lambda folder: 0),
    "two_rows_holding_one_key_over_time": _replaced(write_verdict, "_of_another", _tombstones_of_others_supersede),
    "mapping_upgrade": _replaced(LedgerSession, "_require_unchanged", lambda session, lock, unless_paused=False: None),
    "mapping_upgrade_between_read_and_mark": _replaced(
        LedgerSession, "_require_unchanged", lambda session, lock, unless_paused=False: None
    ),
    "replica_role": _statements(
        EACH_TRIGGER.format(like="", statement="ALTER TABLE %2$s ENABLE TRIGGER %1$I"),
    ),
    "half_installed_capture": _replaced(install, "begin_epoch", _on_from_the_beginning),
}
