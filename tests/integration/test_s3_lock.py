"""The lock of a warehouse in S3: held once, taken over when stale by S3's clock, never without conditional writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pipelines.errors import StageError, WarehouseError
from pipelines.warehouse import lock, s3_lock
from pipelines.warehouse.hold import require_hold
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.lock_owner import STALE_SECONDS, Owner
from pipelines.warehouse.place import Place
from pipelines.warehouse.s3_access import s3_access
from pipelines.warehouse.s3_place import S3Place

pytestmark = pytest.mark.integration

BUCKET = "the-warehouse"
KEY = "w/shop/locks/dump.lock"
ELSEWHERE = {"kernel": "another boot", "host": "elsewhere", "pid": 999_999_999, "started": "1"}


@pytest.fixture
def root(dynamodb_environment: str) -> Place:
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3_lock.require_conditional_writes.cache_clear()
    return Place.of(f"s3://{BUCKET}/w/shop")


def content() -> dict[str, Any]:
    return dict(json.loads(boto3.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()))


def leave_behind(root: Place, **changes: Any) -> None:
    with stage_lock(root, "dump", "old"):
        left = content() | changes
    boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(left).encode())


def ageing(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """As if S3's clock were so much later."""
    seconds_of = s3_lock._seconds
    monkeypatch.setattr(s3_lock, "_seconds", lambda beat, now: seconds_of(beat - timedelta(seconds=seconds), now))


def test_it_is_held_once_and_gone_afterwards(root: Place) -> None:
    with stage_lock(root, "dump", "first"):
        assert content()["run_id"] == "first"
        with pytest.raises(StageError, match="dump: run first is under way"), stage_lock(root, "dump", "second"):
            pass
        with stage_lock(root, "diff", "other"):
            pass
    assert not root.exists(), "neither a lock nor a probe is left"


def test_of_many_starters_one_wins(root: Place) -> None:
    won: list[str] = []
    refused: list[str] = []
    gate = threading.Barrier(6)
    leave = threading.Barrier(6)

    def start(name: str) -> None:
        gate.wait()
        try:
            with stage_lock(root, "dump", name):
                won.append(name)
                leave.wait(30)
        except StageError as error:
            refused.append(str(error))
            leave.wait(30)

    threads = [threading.Thread(target=start, args=(f"run{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(refused) == 5
    assert all(f"run {won[0]} is under way" in line for line in refused)


def test_one_of_a_dead_process_is_taken_over(root: Place) -> None:
    leave_behind(root, started="1")
    with stage_lock(root, "dump", "next"):
        assert content()["run_id"] == "next"


def test_one_of_another_machine_is_stale_once_its_heart_stops(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_behind(root, **ELSEWHERE)
    ageing(monkeypatch, STALE_SECONDS - 5)
    with pytest.raises(StageError, match="run old is under way"), stage_lock(root, "dump", "next"):
        pass
    ageing(monkeypatch, 10)
    with stage_lock(root, "dump", "next"):
        assert content()["run_id"] == "next"


def test_a_heartbeat_between_look_and_takeover_keeps_the_lock(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_behind(root, **ELSEWHERE)
    look, beats = s3_lock._look, iter([True])

    def look_then_beat(place: Any) -> Any:
        found = look(place)
        if next(beats, False):
            boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(content() | {"beat": 7}).encode())
            return s3_lock._Found(found.owner, found.etag, 2 * STALE_SECONDS) if found else None
        return found

    monkeypatch.setattr(s3_lock, "_look", look_then_beat)
    with pytest.raises(StageError, match="run old is under way"), stage_lock(root, "dump", "next"):
        pass


def test_a_lost_answer_to_the_taking_is_no_other_run(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's second try meets what its first has put there."""
    put, lost = s3_lock._put, iter([True])

    def losing(place: Any, text: str, condition: s3_lock.Condition) -> str | None:
        etag = put(place, text, condition)
        return None if place.name == "dump.lock" and next(lost, False) else etag

    monkeypatch.setattr(s3_lock, "_put", losing)
    with stage_lock(root, "dump", "mine"):
        assert content()["run_id"] == "mine"
    assert not root.exists()


def test_the_heart_beats_and_survives_a_lost_answer(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.05)
    with stage_lock(root, "dump", "mine"):
        _until(lambda: content()["beat"] >= 2)
        # as a heartbeat does whose answer is lost: the object has an ETag that the holder does not know
        boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(content() | {"beat": -1}).encode())
        _until(lambda: content()["beat"] >= 4)
    assert not root.exists()


def test_a_lock_that_was_lost_is_left_to_its_new_owner(root: Place) -> None:
    with stage_lock(root, "dump", "mine"):
        boto3.client("s3").put_object(
            Bucket=BUCKET, Key=KEY, Body=Owner("theirs", "elsewhere", 1, "1", "t", "k").text().encode()
        )
    assert content()["run_id"] == "theirs"


def test_who_has_lost_it_finishes_nothing(root: Place) -> None:
    with stage_lock(root, "dump", "mine"):
        require_hold()
        boto3.client("s3").put_object(
            Bucket=BUCKET, Key=KEY, Body=Owner("theirs", "elsewhere", 1, "1", "t", "k").text().encode()
        )
        with pytest.raises(StageError, match=r"^dump: run mine has lost its lock to run theirs"):
            require_hold()
        boto3.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
        with pytest.raises(StageError, match=r"^dump: run mine has lost its lock, as happens"):
            require_hold()


def test_it_can_be_of_another_run_than_that_which_took_it(root: Place) -> None:
    with stage_lock(root, "dump", "asked for") as lock:
        lock.rename("begun")
        with pytest.raises(StageError, match="dump: run begun is under way"), stage_lock(root, "dump", "second"):
            pass
        require_hold()
    assert not root.exists()


def test_a_heartbeat_leaves_what_another_run_has_taken(root: Place) -> None:
    with stage_lock(root, "dump", "mine"):
        ours = s3_lock.S3Lock.take(S3Place(BUCKET, "w/shop/locks/mine.lock"), Owner("mine", "here", 1, "1"), "mine")
        theirs = Owner("theirs", "elsewhere", 1, "1", "t", "k").text()
        boto3.client("s3").put_object(Bucket=BUCKET, Key="w/shop/locks/mine.lock", Body=theirs.encode())
        ours.beat()
        assert (root / "locks/mine.lock").read_text() == theirs
        boto3.client("s3").delete_object(Bucket=BUCKET, Key="w/shop/locks/mine.lock")
        ours.beat()
        assert not (root / "locks/mine.lock").exists(), "nor does it come back to life"


def test_a_lock_that_is_released_between_look_and_takeover_is_to_be_had(
    root: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(root, started="1")
    look, times = s3_lock._look, iter([True])

    def look_then_lose(place: Any) -> Any:
        found = look(place)
        if next(times, False):
            boto3.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
        return found

    monkeypatch.setattr(s3_lock, "_look", look_then_lose)
    with stage_lock(root, "dump", "next"):
        assert content()["run_id"] == "next"


def test_a_lock_is_encrypted_as_everything_is(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_S3_KMS_KEY", "arn:aws:kms:eu-central-1:111122223333:key/of-the-test")
    with stage_lock(root, "dump", "mine"):
        assert boto3.client("s3").head_object(Bucket=BUCKET, Key=KEY)["ServerSideEncryption"] == "aws:kms"


def test_a_damaged_one_is_taken_over(root: Place) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=b"{")
    with stage_lock(root, "dump", "next"):
        assert content()["run_id"] == "next"


@pytest.mark.parametrize("ignored", ["IfNoneMatch", "IfMatch"])
def test_an_endpoint_that_ignores_conditions_is_refused(
    root: Place, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    client = s3_access().client
    put = client.put_object
    monkeypatch.setattr(client, "put_object", lambda **given: put(**{k: v for k, v in given.items() if k != ignored}))
    with (
        pytest.raises(WarehouseError, match=r"^s3://the-warehouse/w/shop: this S3 endpoint ignores conditional writes"),
        stage_lock(root, "dump", "next"),
    ):
        pass
    assert not root.exists()


def test_an_endpoint_that_knows_no_conditions_is_refused(root: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    client = s3_access().client
    put = client.put_object

    def refusing(**given: Any) -> Any:
        if "IfNoneMatch" in given:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")
        return put(**given)

    monkeypatch.setattr(client, "put_object", refusing)
    told = "this S3 endpoint does not know conditional writes"
    with pytest.raises(WarehouseError, match=told), stage_lock(root, "dump", "next"):
        pass
    assert not root.exists()


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.05)
    pytest.fail("it did not come to pass")
