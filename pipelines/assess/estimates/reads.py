"""Read units of one call: what its requests read, eventually consistent. Pure.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.assess.design import Operation, Read
from pipelines.assess.estimates.measured import Measured, TypeMeasured
from pipelines.assess.estimates.tally import EVENTUALLY, read_units
from pipelines.assess.patterns import Pattern
from pipelines.assess.schema import Facts, Schema

UNKNOWN_LIST = 10
"""Keys of a list of which nothing tells how long it is: statements that differ in it alone are one pattern."""


def answer_units(reads: Sequence[Read], pattern: Pattern, measured: Measured, schema: Schema) -> float:
    """Of all requests of one call; 0 where there are none."""
    units = 0.0
    items: list[float] = []
    for read in reads:
        before = items[read.follows] if read.follows is not None and read.follows < len(items) else None
        one = _Reading(read, pattern, measured, schema, alone=len(reads) == 1, before=before)
        units += one.units
        items.append(one.items)
    return units


class _Reading:
    """One read of a pattern. `alone`: the only one, so that the rows that the statement gave are its; `before`: items
    that tell it what to ask for, each of which is a request."""

    def __init__(
        self,
        read: Read,
        pattern: Pattern,
        measured: Measured,
        schema: Schema,
        *,
        alone: bool,
        before: float | None,
    ) -> None:
        self._read = read
        self._pattern = pattern
        self._alone = alone
        self._before = before
        self._type = measured.types.get(read.item_type)
        self._facts = _facts(schema, self._type)

    @property
    def units(self) -> float:
        if self._type is None:
            return 0.0
        if self._read.operation is not Operation.QUERY:
            return self._requests * max(self._type.sizes.read_units, EVENTUALLY)
        queries = self._requests * self._read.shards
        return queries * read_units(self.items / queries * self._item_bytes(self._type))

    @property
    def items(self) -> float:
        """That are read: those that the statement gave, unless some are tested only after they were read."""
        if self._type is None:
            return 0.0
        if self._read.operation is not Operation.QUERY:
            return self._requests
        in_all = self._type.items * self._share(self._type)
        given, expected = self._given, self._expected
        if given is not None and (self._pattern.limit or not self._tests_after):
            return min(given, in_all)
        if expected is not None:
            return min(expected * self._requests, in_all)
        return min(given or 1.0, in_all) if self._read.fills else in_all

    @property
    def _requests(self) -> float:
        """One for each item that an earlier read found, or for each key of a list."""
        if self._before is not None:
            return max(self._before, 1.0)
        if not self._read.batch:
            return 1.0
        given = self._given
        if given is None:
            return float(UNKNOWN_LIST)
        each = (self._expected or 1.0) if self._read.operation is Operation.QUERY else 1.0
        return max(given / each, 1.0)

    @property
    def _given(self) -> float | None:
        """Items of one call: its rows, of which a list's children may each have been one."""
        rows = self._pattern.load.rows_per_call
        if rows is None or not self._alone:
            return None
        for embed in self._pattern.embeds:
            if embed.form == "list" and embed.rows is not None and embed.rows > 1:
                rows /= embed.rows
        return rows

    @property
    def _expected(self) -> float | None:
        """Rows of the root with one value of the columns that are known."""
        if self._facts is None or not self._read.fills:
            return None
        columns = {_bare(name) for name in self._read.fills}
        if any(columns >= set(key) for key in self._facts.keys):
            return 1.0
        return self._facts.rows_for(columns)

    @property
    def _tests_after(self) -> bool:
        return bool(self._pattern.filters) or (self._pattern.ranged and self._read.range_on is None)

    def _item_bytes(self, type: TypeMeasured) -> float:
        index = type.sizes.indexes.get(self._read.index) if self._read.index is not None else None
        return index.mean_bytes if index is not None else type.sizes.mean_bytes

    def _share(self, type: TypeMeasured) -> float:
        index = type.sizes.indexes.get(self._read.index) if self._read.index is not None else None
        return index.share if index is not None else 1.0


def _facts(schema: Schema, type: TypeMeasured | None) -> Facts | None:
    if type is None:
        return None
    ref = type.plan.root.table.ref
    return schema.find(ref.table, ref.schema_name)


def _bare(name: str) -> str:
    """`lower(email)`: the column."""
    return name[name.index("(") + 1 : -1] if name.endswith(")") and "(" in name else name
