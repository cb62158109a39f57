"""Has DynamoDB export each table, and waits until all exports have ended.

A table is exported once, whatever dies: the token is kept before the export is asked for and its ARN after the answer,
and by the token DynamoDB gives the same export again. Eight hours after an answer that was lost it does not: then the
table is exported a second time, and the second is read.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import TargetError, WarehouseError
from pipelines.progress import rewrite_line, tell
from pipelines.target.export_manifest import FUZZY
from pipelines.target.export_table import COMPLETED, FAILED, ExportState, describe_export, start_export
from pipelines.target.polling import left_running, poll
from pipelines.warehouse.hold import require_hold
from pipelines.warehouse.place import MissingError, Place
from pipelines.warehouse.s3_place import S3Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ASKED = "exports.json"
_GO_ON = "run `crossover dump` with --from export again to await it"
_ENDED = frozenset({COMPLETED, FAILED})


class AskedExport(BaseModel):
    """`arn`: None until DynamoDB has answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str
    arn: str | None = None


class _AskedExports(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: dict[str, AskedExport]


@dataclass
class AskedExports:
    """`folder`: the dump's. `table_arns`: of every table to be exported. `not_before`: when the source was read: an
    export is of a time after it. `pause`, `clock` and `now` are the time."""

    client: DynamoDBClient
    folder: Place
    target: S3Place
    table_arns: Mapping[str, str]
    not_before: datetime
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    asked: dict[str, AskedExport] = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.asked = dict(_AskedExports.model_validate_json((self.folder / ASKED).read_text()).tables)
        except MissingError:
            self.asked = {}
        except ValidationError:
            raise WarehouseError(f"{self.folder / ASKED}: damaged; remove {self.folder} and run again") from None

    def carry_out(self) -> dict[str, S3Place]:
        """Where each table's export lies.

        Raises TargetError where one cannot be asked for, has failed (the next call asks anew), or the endpoint gave no
        answer for long, and KeyboardInterrupt, which says how to go on: exports run on without us.
        """
        states: dict[str, ExportState] = {}
        began = self.clock()

        def look() -> bool:
            self._ask()
            self._look(states)
            return all(table in states and states[table].status in _ENDED for table in self.table_arns)

        try:
            with left_running("export", self._begun, _GO_ON):
                poll(look, lambda: rewrite_line(self._line(states, began)), self.pause, self.clock)
        finally:
            rewrite_line("")
        self._require_complete(states)
        return {table: state.place for table, state in states.items() if state.place is not None}

    def _ask(self) -> None:
        for table, table_arn in self.table_arns.items():
            one = self.asked.get(table)
            if one is not None and one.arn is not None:
                continue
            self._wait_for_its_time()
            token = secrets.token_hex(16) if one is None else one.token
            self._keep(table, AskedExport(token=token))
            state = start_export(self.client, table, table_arn, self.target, token)
            self._keep(table, AskedExport(token=token, arn=state.arn))
            tell(f"table {table}: its export {state.id} to {self.target} has begun")

    def _wait_for_its_time(self) -> None:
        seconds = (self.not_before + FUZZY - self.now()).total_seconds()
        if seconds > 0:
            tell(f"the export begins in {seconds:.0f} s, a minute after the snapshot: it is fuzzy by that")
            self.pause(seconds)

    def _look(self, states: dict[str, ExportState]) -> None:
        for table, one in list(self.asked.items()):
            if one.arn is None or (table in states and states[table].status in _ENDED):
                continue
            state = describe_export(self.client, one.arn)
            if state is None:
                tell(f"table {table}: its export {one.arn} is no longer known; it is exported again")
                self._keep(table, None)
            else:
                states[table] = state

    def _require_complete(self, states: Mapping[str, ExportState]) -> None:
        failed = {table: state for table, state in states.items() if state.status == FAILED}
        for table in failed:
            self._keep(table, None)
        if failed:
            raise TargetError(
                "\n".join(
                    f"table {table}: its export {state.id} failed ({state.failure or 'no cause is given'}); mend that "
                    "and run again, which exports it anew"
                    for table, state in failed.items()
                )
            )

    def _line(self, states: Mapping[str, ExportState], began: float) -> str:
        """AWS tells nothing of how far it is."""
        ended = sum(state.status in _ENDED for state in states.values())
        minutes, seconds = divmod(int(self.clock() - began), 60)
        return f"export: {ended} of {len(self.table_arns)} tables done, under way for {minutes}:{seconds:02}"

    def _keep(self, table: str, one: AskedExport | None) -> None:
        """Durably."""
        require_hold()
        self.asked.pop(table, None)
        if one is not None:
            self.asked[table] = one
        (self.folder / ASKED).write_atomically(_AskedExports(tables=self.asked).model_dump_json(indent=2) + "\n")

    def _begun(self) -> list[str]:
        return [table for table, one in self.asked.items() if one.arn is not None]
