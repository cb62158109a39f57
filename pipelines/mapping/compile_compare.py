"""`compare`: every path is an attribute of the item, and every rule has an effect where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from pipelines.items.encode import default_encoding
from pipelines.items.source_type import Encoding
from pipelines.mapping.model import Compare
from pipelines.mapping.origin import Path, nearest
from pipelines.mapping.plan import (
    AttributeNames,
    ColumnValue,
    ConstantValue,
    EmbedValue,
    Equivalences,
    KeyAttribute,
    RowPlan,
    Shape,
    Value,
)
from pipelines.mapping.problems import Problems

_SETS = frozenset({Encoding.SS, Encoding.NS, Encoding.BS})
_NUMBERS = frozenset({Encoding.N, Encoding.EPOCH_SECONDS, Encoding.EPOCH_MILLIS})


@dataclass(frozen=True)
class _Found:
    """What may stand at a path. `numbers`: itself, or as elements. `open`: a json document, or elements that are
    some: whatever lies below is not known here."""

    names: AttributeNames
    collection: bool = False
    numbers: bool = False
    open: bool = False


@dataclass(frozen=True)
class Comparisons:
    """Compiles one item type's `compare`, which stands at `path` in the file."""

    root: RowPlan
    keys: tuple[KeyAttribute, ...]
    path: Path
    problems: Problems

    def equivalences(self, compare: Compare) -> Equivalences:
        places = {rule: self._places(rule, getattr(compare, rule)) for rule in Compare.model_fields}
        found = Equivalences(
            ignore=frozenset(places["ignore"]),
            unordered=frozenset(places["unordered"]),
            null_is_absent=frozenset(places["null_is_absent"]),
            tolerance={names: Decimal(compare.tolerance[str(at[-1])]) for names, at in places["tolerance"].items()},
        )
        for rule, paths in places.items():
            for names, at in paths.items():
                self._check_effect(rule, names, at, found)
        return found

    def _places(self, rule: str, given: tuple[str, ...] | dict[str, object]) -> dict[AttributeNames, Path]:
        """Each path that can have the rule, and where it stands in the file."""
        places: dict[AttributeNames, Path] = {}
        for n, name in enumerate(given):
            at: Path = (*self.path, rule, name if isinstance(given, dict) else n)
            found = self._found(name, at)
            if found is None:
                continue
            if rule == "unordered" and not found.collection:
                self.problems.add(at, f"`{name}` is no list; take it out")
            elif rule == "tolerance" and not found.numbers:
                self.problems.add(at, f"`{name}` is no number, and no list of numbers; take it out")
            elif found.names in places:
                self.problems.add(at, f"`{name}` stands here twice; keep one")
            else:
                places[found.names] = at
        return places

    def _found(self, name: str, at: Path) -> _Found | None:
        found = _find(self.root, name, ())
        if found is None and any(key.name == name for key in self.keys):
            self.problems.add(at, f"`{name}` is part of the key, by which items are found; take it out")
        elif found is None:
            hint = nearest(name, (".".join(names) for names in _every(self.root, ())))
            self.problems.add(at, f"no attribute `{name}` here{hint}; the path is embed.attribute, after renaming")
        return found

    def _check_effect(self, rule: str, names: AttributeNames, at: Path, found: Equivalences) -> None:
        around = [names[:n] for n in range(1, len(names) + 1)]
        ignored = next((outer for outer in around if outer in found.ignore), None)
        unordered = next((outer for outer in around if outer in found.unordered), None)
        if ignored is not None and not (rule == "ignore" and ignored == names):
            self.problems.add(at, f"has no effect, `{'.'.join(ignored)}` is ignored; take one of the two out")
        elif rule == "tolerance" and unordered is not None:
            self.problems.add(
                at,
                f"not together with `unordered: [{'.'.join(unordered)}]`, whose elements are matched by their exact "
                "content; take one of the two out",
            )


def _find(row: RowPlan, name: str, above: AttributeNames) -> _Found | None:
    """As `sensitive` does, an attribute whose name has a dot goes before an attribute of an embed."""
    values = {attribute.name: attribute.value for attribute in row.attributes}
    if name in values:
        return _at(row, values[name], (*above, name))
    first, dot, rest = name.partition(".")
    if not dot or first not in values:
        return None
    value = values[first]
    here = _at(row, value, (*above, first))
    if here.open and all(rest.split(".")):
        return _Found((*here.names, *rest.split(".")), collection=True, numbers=True, open=True)
    if isinstance(value, EmbedValue) and row.embed(value.embed).value is None:
        return _find(row.embed(value.embed).row, rest, here.names)
    return None


def _at(row: RowPlan, value: Value, names: AttributeNames) -> _Found:
    match value:
        case EmbedValue(name):
            embed = row.embed(name)
            if embed.shape is Shape.MAP:
                return _Found(names)
            element = _at(embed.row, embed.value, names) if embed.value is not None else _Found(names)
            in_order = embed.shape is Shape.LIST
            return _Found(names, True, element.numbers and in_order, element.open)
        case ColumnValue(encoding=Encoding.JSON):
            return _Found(names, True, True, True)
        case ColumnValue(encoding=Encoding.LIST, type=type) if type.element is not None:
            element_encoding = default_encoding(type.element)
            is_json = element_encoding is Encoding.JSON
            return _Found(names, True, is_json or element_encoding in _NUMBERS, is_json)
        case ColumnValue(encoding=encoding):
            return _Found(names, encoding in _SETS, encoding in _NUMBERS)
        case ConstantValue(fragment):
            return _Found(names, numbers=fragment.startswith('{"N"'))
        case _:
            return _Found(names)


def _every(row: RowPlan, above: AttributeNames) -> Iterator[AttributeNames]:
    for attribute in row.attributes:
        yield (*above, attribute.name)
        if isinstance(attribute.value, EmbedValue) and row.embed(attribute.value.embed).value is None:
            yield from _every(row.embed(attribute.value.embed).row, (*above, attribute.name))
