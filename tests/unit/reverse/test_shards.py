"""Which shards can be read, and whether something was trimmed before it was read."""

from __future__ import annotations

import pytest

from pipelines.reverse.shards import Change, Position, Shard, change, readable

pytestmark = pytest.mark.unit

ROOT, CHILD, OTHER = Shard("root", None), Shard("child", "root"), Shard("other", None)


def names(positions: list[Position]) -> list[str]:
    return [one.shard for one in positions]


def test_a_child_waits_for_its_parent() -> None:
    known = [Position("root", None), Position("child", "root"), Position("other", None, "7")]
    assert names(readable(known)) == ["root", "other"]
    known[0] = Position("root", None, "9", done=True)
    assert names(readable(known)) == ["child", "other"]


def test_a_grandchild_waits_though_its_grandparent_is_done() -> None:
    known = [Position("a", None, "1", done=True), Position("b", "a"), Position("c", "b")]
    assert names(readable(known)) == ["b"]


def test_a_parent_that_is_forgotten_keeps_nobody_waiting() -> None:
    assert names(readable([Position("child", "root")])) == ["child"]


def test_a_stream_that_is_read_for_the_first_time_has_lost_nothing() -> None:
    assert change([CHILD, OTHER], []) == Change(new=(CHILD, OTHER))


def test_new_shards_are_told() -> None:
    assert change([ROOT, CHILD], [Position("root", None, "3")]) == Change(new=(CHILD,))


def test_a_shard_that_is_trimmed_before_its_end_was_read_is_lost() -> None:
    found = change([CHILD], [Position("root", None, "3"), Position("child", "root")])
    assert found == Change(lost=("root",), forgotten=("root",))


def test_a_shard_that_is_trimmed_after_its_end_was_read_is_forgotten() -> None:
    found = change([CHILD], [Position("root", None, "3", done=True)])
    assert found == Change(new=(CHILD,), forgotten=("root",))


def test_a_parent_that_came_and_went_unheard_of_is_lost() -> None:
    found = change([Shard("grandchild", "child")], [Position("root", None, "3", done=True)])
    assert found == Change(new=(Shard("grandchild", "child"),), lost=("child",), forgotten=("root",))
