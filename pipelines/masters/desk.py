"""What a writer and its transactions share: what was read, and the writes that follow from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.errors import UsageError
from pipelines.masters.item_form import Formed, ItemForm
from pipelines.masters.planned import Read, first_version, put_of, tombstone_of
from pipelines.masters.refusals import ItemExistsError, NoItemError
from pipelines.masters.sender import Put, Sender
from pipelines.masters.turn import Turn
from pipelines.reading.shown import Item

Change = Callable[[Item], Item]
"""What an item is to be, of what it is."""

Columns = Mapping[str, object]
NOTHING: Columns = {}


class Desk:
    """Of one write, of one thread. `forms`: of the item types that it may touch. `now`: seconds since 1970."""

    def __init__(self, forms: Mapping[str, ItemForm], sender: Sender, turn: Turn, now: Callable[[], float]) -> None:
        self.forms, self.sender, self.turn, self.now = forms, sender, turn, now
        self._known: dict[tuple[str, str], Read] = {}

    def form(self, item_type: str) -> ItemForm:
        form = self.forms.get(item_type)
        if form is None:
            there = ", ".join(self.forms)
            raise UsageError(f"`{item_type}` is none of the item types that this write may touch; these: {there}")
        return form

    def known(self, form: ItemForm, key: str) -> Read | None:
        return self._known.get((form.table, key))

    def read(self, form: ItemForm, key: str, what: str) -> Read:
        read = Read(self.sender.read(form.table, key))
        read.require_ours(what)
        self._known[form.table, key] = read
        return read

    def forget(self, put: Put) -> None:
        self._known.pop((put.table, put.key), None)

    def written(self, put: Put) -> None:
        """It is there now."""
        self._known[put.table, put.key] = result_of(put)

    def next_version(self, read: Read) -> int:
        """Of a row that was deleted here, the last one may be elsewhere, above the tombstone."""
        following = (read.version or 0) + 1
        return following if read.is_live else max(following, first_version(self.turn.hold().epoch, self.now()))

    def planned_put(self, item_type: str, item: Mapping[str, Any], columns: Columns) -> tuple[Put, bool]:
        """And whether it was read before."""
        form = self.form(item_type)
        formed = form.formed(item, columns)
        known = self.known(form, formed.key)
        read = known or self.read(form, formed.key, item_type)
        if known is None and read.is_live:
            raise exists(item_type)
        _require_same_row(item_type, read, formed)
        return put_of(form, formed, read, self.next_version(read)), known is not None

    def planned_change(self, item_type: str, change: Change, columns: Columns, *, moves: bool) -> tuple[Put, ...]:
        """Of what is there now: one write, or two where it moves."""
        form = self.form(item_type)
        key = form.key_of(columns)
        read = self.read(form, key, item_type)
        item = read.item()
        if item is None:
            raise NoItemError(f"{item_type}: there is no item of these columns")
        changed = change(item)
        if not isinstance(changed, Mapping):
            raise UsageError(f"{item_type}: the change has to return the item, not {type(changed).__name__}")
        formed = form.formed(changed, NOTHING, read.owner)
        if formed.key == key:
            _require_same_row(item_type, read, formed)
            return (put_of(form, formed, read, self.next_version(read)),)
        if not moves:
            raise UsageError(f"{item_type}: the change gives the item another key; call `move` instead of `update`")
        there = self.read(form, formed.key, item_type)
        if there.is_live:
            raise exists(item_type)
        gone = tombstone_of(form, key, read, self.now())
        version = max(gone.version + 1, (there.version or 0) + 1)
        return gone, put_of(form, formed, there, version)

    def planned_delete(self, item_type: str, columns: Columns) -> Put | None:
        form = self.form(item_type)
        key = form.key_of(columns)
        read = self.known(form, key) or self.read(form, key, item_type)
        return tombstone_of(form, key, read, self.now()) if read.is_live else None


def _require_same_row(item_type: str, read: Read, formed: Formed) -> None:
    """The row that it was would stay in the source, for no tombstone tells of it. Raises UsageError."""
    if read.is_live and None not in (read.owner, formed.owner) and formed.owner != read.owner:
        raise UsageError(f"{item_type}: the item would be another row's; delete it, then put the other")


def exists(item_type: str) -> ItemExistsError:
    return ItemExistsError(f"{item_type}: there is an item of this key, which was not read; read it, or call `update`")


def result_of(put: Put) -> Read:
    return Read(json.loads(put.stored))
