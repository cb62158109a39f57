"""A lock in S3: an object that is put only where there is none, and replaced only by who has seen its last heartbeat.

Both are conditional writes ("How to prevent object overwrites with conditional writes", Amazon S3 User Guide:
`If-None-Match: *`, and `If-Match` on the ETag). An endpoint that does not obey them cannot hold a lock, and is refused.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import StageError, UsageError, WarehouseError
from pipelines.warehouse.lock_owner import Owner
from pipelines.warehouse.place import MissingError
from pipelines.warehouse.probe import probe_in
from pipelines.warehouse.s3_access import encryption, s3_access
from pipelines.warehouse.s3_failures import code_of, s3_errors
from pipelines.warehouse.s3_place import S3Place

_NOT_MET = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_GONE = frozenset({"NoSuchKey", "404"})  # it was released meanwhile
_UNKNOWN = frozenset({"NotImplemented", "501"})


class Condition(TypedDict, total=False):
    IfNoneMatch: str
    IfMatch: str


NO_LOCK: Condition = {"IfNoneMatch": "*"}


@dataclass(frozen=True)
class _Found:
    """`seconds_old`: since the last heartbeat, by S3's clock."""

    owner: Owner | None
    etag: str
    seconds_old: float


class S3Lock:
    def __init__(self, place: S3Place, owner: Owner, etag: str) -> None:
        self._place = place
        self._owner = owner
        self._etag = etag
        self._beats = 0

    @classmethod
    def take(cls, place: S3Place, owner: Owner, stage: str) -> S3Lock:
        """Raises StageError, naming the run that holds it, and WarehouseError where the endpoint cannot lock."""
        require_conditional_writes(place.parent, s3_access().client.meta.endpoint_url)
        for _ in range(10):
            found = _look(place)
            if found is not None and found.owner == owner:  # an answer was lost, and the client's second try refused
                return cls(place, owner, found.etag)
            if found is not None and found.owner is not None and found.owner.lives(found.seconds_old):
                raise found.owner.refusal(stage)
            etag = _put(place, owner.text(), NO_LOCK if found is None else {"IfMatch": found.etag})
            if etag is not None:
                return cls(place, owner, etag)
        raise StageError(f"{place}: could not be locked; another run keeps taking it")

    def beat(self) -> None:
        """What does not come through is tried again by the next one."""
        self._beats += 1
        try:
            etag = _put(self._place, self._owner.text(self._beats), {"IfMatch": self._etag})
            if etag is None and self._is_ours(found := _look(self._place)):
                assert found is not None
                etag = found.etag  # an answer was lost
        except (WarehouseError, UsageError):
            return
        self._etag = etag or self._etag

    def rename(self, run_id: str) -> None:
        """Others are told this one, from this heartbeat or the next on."""
        if run_id != self._owner.run_id:
            self._owner = replace(self._owner, run_id=run_id)
            self.beat()

    def release(self) -> None:
        try:
            found = _look(self._place)
            if found is not None and self._is_ours(found):
                s3_access().client.delete_object(Bucket=self._place.bucket, Key=self._place.key, IfMatch=found.etag)
        except (WarehouseError, UsageError, ClientError, BotoCoreError):
            return  # it goes stale; the run's own outcome must not be lost over it

    def _is_ours(self, found: _Found | None) -> bool:
        return found is not None and found.owner == self._owner


@functools.lru_cache
def require_conditional_writes(folder: S3Place, endpoint: str) -> None:  # noqa: ARG001 - asked once of each
    """Raises WarehouseError where the endpoint ignores the conditions, or does not know them."""
    with probe_in(folder) as probe:
        probe.write_atomically("")
        if _put(probe, "", NO_LOCK) is not None or _put(probe, "", {"IfMatch": '"0"'}) is not None:
            raise WarehouseError(
                f"{folder.parent}: this S3 endpoint ignores conditional writes (If-None-Match, If-Match), so that two "
                "runs could not be kept apart; use one that obeys them, or a folder as the warehouse"
            )


def _look(place: S3Place) -> _Found | None:
    try:
        with s3_errors(str(place), "read"):
            answer = s3_access().client.get_object(Bucket=place.bucket, Key=place.key)
            content = answer["Body"].read()
    except MissingError:
        return None
    now = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return _Found(Owner.parse(content), answer["ETag"], _seconds(answer["LastModified"], now))


def _seconds(beat: datetime, now: str | None) -> float:
    """Without S3's own clock nothing is stale."""
    return (parsedate_to_datetime(now) - beat).total_seconds() if now else 0.0


def _put(place: S3Place, text: str, condition: Condition) -> str | None:
    """The ETag, or None where the condition is not met."""
    with s3_errors(str(place), "written"):
        try:
            answer = s3_access().client.put_object(
                Bucket=place.bucket, Key=place.key, Body=text.encode(), **condition, **encryption()
            )
        except ClientError as error:
            if code_of(error) in _NOT_MET or (code_of(error) in _GONE and "IfMatch" in condition):
                return None
            if code_of(error) in _UNKNOWN:
                raise WarehouseError(
                    f"{place}: this S3 endpoint does not know conditional writes, so that two runs could not be kept "
                    "apart; use one that does, or a folder as the warehouse"
                ) from None
            raise
    return answer["ETag"]
