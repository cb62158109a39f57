"""Asks DynamoDB to import each table, and waits until all imports have ended.

An import is asked for once, whatever dies: its token is kept before ImportTable is called and its ARN after the answer,
and one whose answer was lost is found again by both its objects and its token.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from pipelines.errors import TargetError
from pipelines.mapping.model import Mapping as MigrationMapping
from pipelines.progress import rewrite_line, tell
from pipelines.target.describe import describe
from pipelines.target.failures import PassingError
from pipelines.target.import_folder import AskedImport, ImportFolder, ImportPlan
from pipelines.target.import_objects import Compression
from pipelines.target.import_table import (
    ImportState,
    TableTakenError,
    TooManyImportsError,
    describe_import,
    find_import,
    start_import,
)
from pipelines.target.polling import left_running, poll
from pipelines.warehouse.hold import require_hold
from pipelines.warehouse.s3_place import S3Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass
class Imports:
    """`items`: how many each table is to have. `pause` and `clock` are the time."""

    client: DynamoDBClient
    mapping: MigrationMapping
    folder: ImportFolder
    plan: ImportPlan
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    asked: dict[str, AskedImport] = field(init=False)

    def __post_init__(self) -> None:
        self.asked = self.folder.imports()

    def look_again(self) -> None:
        """At the imports of an earlier attempt: one whose table is gone since it ended is forgotten, and asked for
        anew. Raises TargetError."""
        for table, one in list(self.asked.items()):
            source = self.source(table)
            state = describe_import(self.client, one.arn) if one.arn else find_import(self.client, source, one.token)
            is_there = describe(self.client, table) is not None
            if state is None and one.arn and is_there:
                raise TargetError(
                    f"table {table}: there, but its import {one.arn} is not known here; is this the region and account "
                    "that it was begun in? If it is, delete the table and run again"
                )
            if state is not None and not (state.has_ended and not is_there):
                self._keep(table, AskedImport(token=one.token, arn=state.arn))
                tell(f"table {table}: its import was begun before, and is {state.status.lower().replace('_', ' ')}")
            elif state is not None or one.arn:
                tell(f"table {table}: its import has ended, and the table is gone; it is imported again")
                self._keep(table, None)

    def needed(self) -> list[str]:
        """Tables whose objects are still to be read."""
        return [table for table in self.plan.objects if table not in self.asked or self.asked[table].arn is None]

    def carry_out(self, items: Mapping[str, int], how_to_go_on: str) -> dict[str, ImportState]:
        """Every import as it ended, well or not. `items`: how many each table is to have.

        Raises TargetError where one cannot be asked for or the endpoint gave no answer for PATIENCE_SECONDS, and
        KeyboardInterrupt, which says `how_to_go_on`: imports run on without us.
        """
        waiting = Waiting(sum(items.values()), self.clock)
        try:
            with left_running("import", self._begun, how_to_go_on):
                return self._await(waiting)
        finally:
            waiting.end()

    def source(self, table: str) -> S3Place:
        return S3Place.parse(self.plan.target) / table

    def _await(self, waiting: Waiting) -> dict[str, ImportState]:
        states: dict[str, ImportState] = {}

        def look() -> bool:
            self._ask(states)
            self._look(states)
            return not self.needed() and not self._under_way(states)

        poll(look, lambda: waiting.show(states), self.pause, self.clock)
        return states

    def _ask(self, states: Mapping[str, ImportState]) -> None:
        """For all that were not; what is too many for now waits until another of ours has ended."""
        for table in self.needed():
            try:
                self._ask_for(table)
            except TooManyImportsError:
                if not self._under_way(states):
                    raise
                return

    def _under_way(self, states: Mapping[str, ImportState]) -> bool:
        return any(table not in states or not states[table].has_ended for table in self._begun())

    def _begun(self) -> list[str]:
        return [table for table, one in self.asked.items() if one.arn is not None]

    def _ask_for(self, table: str) -> None:
        require_hold()
        token = self.asked[table].token if table in self.asked else secrets.token_hex(16)
        self._keep(table, AskedImport(token=token))
        try:
            state = start_import(
                self.client,
                table,
                self.mapping.target.tables[table],
                self.source(table),
                Compression(self.plan.compression),
                token,
            )
        except TableTakenError as error:
            raise TargetError(f"{error}; an import makes its table itself: delete that one, then run again") from None
        self._keep(table, AskedImport(token=token, arn=state.arn))

    def _look(self, states: dict[str, ImportState]) -> None:
        for table, one in self.asked.items():
            if one.arn is None or (table in states and states[table].has_ended):
                continue
            state = describe_import(self.client, one.arn)
            if state is None:
                raise PassingError(f"table {table}: its import {one.arn} is not known here; look at the table")
            states[table] = state

    def _keep(self, table: str, one: AskedImport | None) -> None:
        """Durably."""
        self.asked = {name: asked for name, asked in self.asked.items() if name != table}
        if one is not None:
            self.asked[table] = one
        self.folder.keep_imports(self.asked)


@dataclass
class Waiting:
    """The line on a terminal; nothing where there is none."""

    total: int
    clock: Callable[[], float]
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def show(self, states: Mapping[str, ImportState]) -> None:
        rewrite_line(self.line(list(states.values()), self.clock() - self.started), self.stream)

    def line(self, states: Sequence[ImportState], seconds: float) -> str:
        """AWS counts only once an import has ended: until something is counted there is no rate and nothing left."""
        open_ones = sum(not state.has_ended for state in states)
        done = sum(state.processed for state in states)
        text = f"import: {open_ones} of {len(states)} tables under way for {_minutes(seconds)}"
        if not done:
            return f"{text}, {self.total:,} items; DynamoDB counts them at the end"
        rate = done / seconds if seconds > 0 else 0.0
        left = _minutes(max(self.total - done, 0) / rate) if rate else "?"
        return f"{text}, {done:,} of {self.total:,} items, {rate:,.0f}/s, {left} left"

    def end(self) -> None:
        rewrite_line("", self.stream)


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"
