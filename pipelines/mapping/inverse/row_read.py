"""One row read from the map, or the element, that it has become."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pipelines.items.canonical import AttributeValue
from pipelines.mapping.catalog import Column, Table
from pipelines.mapping.inverse.places import ELEMENT, Place
from pipelines.mapping.inverse.same_value import same_value
from pipelines.mapping.inverse.table_rows import Keep, NotInvertible
from pipelines.mapping.inverse.unreadable import Unreadable

_WHOLE = (None, Keep.EQUAL)

Values = Mapping[str, str | None]
"""Text by column, None for NULL."""


@dataclass(frozen=True)
class _Known:
    """A column that the row tells. Without `places` it is given, or `fixed`."""

    column: Column
    places: tuple[Place, ...]
    fixed: str | None


@dataclass(frozen=True)
class RowReader:
    """`columns`: that every row gives, in the table's order. `coarse`: those that nothing tells whole."""

    table: Table
    columns: tuple[str, ...]
    keep: tuple[tuple[str, Keep], ...]
    coarse: frozenset[str]
    _known: tuple[_Known, ...]

    @classmethod
    def of(cls, table: Table, places: Iterable[Place], given: Collection[str], fixed: Values) -> RowReader:
        """`given`: columns whose value each row is given. `fixed`: those that have one value in all rows.

        A column that stands in several places is read where it is told best; what is told in part is never compared.
        """
        by_column: dict[str, list[Place]] = {}
        for place in places:
            by_column.setdefault(place.column, []).append(place)
        known = tuple(
            _Known(column, _best(by_column.get(column.name, [])), fixed.get(column.name))
            for column in table.columns
            if not column.generated and column.name in by_column.keys() | given | fixed.keys()
        )
        kept = [(one.column.name, one.places[0].keep) for one in known if one.places]
        return cls(
            table,
            tuple(one.column.name for one in known),
            tuple((name, keep) for name, keep in kept if keep is not None),
            frozenset(name for name, keep in kept if keep not in _WHOLE),
            known,
        )

    def read(self, attributes: Mapping[str, AttributeValue], given: Values, at: str = "") -> dict[str, str | None]:
        """`at`: the path of the row's map or element; "" of an item. Raises NotInvertible."""
        return {known.column.name: self._read(known, attributes, given, at) for known in self._known}

    def _read(self, known: _Known, attributes: Mapping[str, AttributeValue], given: Values, at: str) -> str | None:
        column = known.column
        if not known.places or (column.name in given and column.name in self.coarse):
            return _given(known, given, at)
        value = _value(known.places[0], attributes, at)
        where = step(at, known.places[0].attribute)
        for place in known.places[1:]:
            other = _value(place, attributes, at)
            if not same_value(column.type, value, other):
                here = step(at, place.attribute)
                told, silent = (where, here) if other is None else (here, where)
                if None in (value, other):
                    raise NotInvertible(silent, f"is NULL or absent, and {told} tells its column {column.name}")
                raise NotInvertible(here, f"tells another {column.name} than {where}")
        if column.name in given and not same_value(column.type, value, given[column.name]):
            raise NotInvertible(where, f"tells another {column.name} than what it stands in")
        if value is None and not column.nullable:
            raise NotInvertible(where, f"is NULL or absent, and column {column.name} takes no NULL")
        return value


def step(at: str, attribute: str) -> str:
    """The path of an attribute of the map at `at`."""
    return at if attribute == ELEMENT else f"{at}.{attribute}" if at else attribute


def _best(places: list[Place]) -> tuple[Place, ...]:
    """The best first, and those others that tell the whole value."""
    ordered = sorted(places, key=lambda place: (place.keep not in _WHOLE, place.rank))
    return tuple(place for n, place in enumerate(ordered) if n == 0 or place.keep in _WHOLE)


def _given(known: _Known, given: Values, at: str) -> str | None:
    name = known.column.name
    if name not in given and known.fixed is None and known.column.nullable is False:
        raise NotInvertible(at or "_s", f"column {name} of the source key is not told")
    return given.get(name, known.fixed)


def _value(place: Place, attributes: Mapping[str, AttributeValue], at: str) -> str | None:
    found = attributes.get(place.attribute)
    if found is None:
        return place.absent
    why = ""
    try:
        return place.text(found)
    except Unreadable as unreadable:
        why = str(unreadable)
    raise NotInvertible(step(at, place.attribute), why)
