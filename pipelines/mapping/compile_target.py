"""What the target's tables ask of an item: its key, index keys, the time to live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pipelines.items.encode import encodings_of
from pipelines.items.record import OWN_ATTRIBUTES
from pipelines.items.size import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES
from pipelines.items.source_type import Encoding, Kind, SourceType
from pipelines.mapping.compile_template import Resolved, Templates, column_value
from pipelines.mapping.model import Include, Item, KeySpec, Target, TargetTable
from pipelines.mapping.origin import Path, listed, nearest
from pipelines.mapping.plan import (
    Attribute,
    ColumnValue,
    ConstantValue,
    EmbedValue,
    IndexKey,
    ItemPlan,
    KeyAttribute,
    KeyType,
    Nulls,
    RowPlan,
    TemplateValue,
    Value,
)
from pipelines.mapping.problems import Problems
from pipelines.mapping.scope import Scope
from pipelines.mapping.template_collisions import collisions

_WIRE_TYPES = {
    Encoding.S: KeyType.S,
    Encoding.TEXT: KeyType.S,
    Encoding.DATE: KeyType.S,
    Encoding.N: KeyType.N,
    Encoding.EPOCH_SECONDS: KeyType.N,
    Encoding.EPOCH_MILLIS: KeyType.N,
    Encoding.B: KeyType.B,
}

UNKEYED = frozenset({Kind.BOOLEAN, Kind.JSON, Kind.ARRAY})
"""Kinds that no key is made of, not even by way of their text."""


@dataclass(frozen=True)
class Targets:
    target: Target
    problems: Problems

    def check_tables(self) -> None:
        """One attribute has one type, whichever table or index keys use it."""
        for name, table in self.target.tables.items():
            path: Path = ("target", "tables", name)
            types: dict[str, KeyType] = {}
            for spec, _, spec_path in _key_specs(table, path):
                if types.setdefault(spec.name, spec.type) is not spec.type:
                    self.problems.add(spec_path, f"`{spec.name}` is {types[spec.name]} elsewhere in this table")
                if spec.name in OWN_ATTRIBUTES:
                    self.problems.add(spec_path, f"`{spec.name}` is an attribute of Crossover's own; rename it")
            if table.sort_key is not None and table.sort_key.name == table.partition_key.name:
                self.problems.add((*path, "sort_key"), "the partition key's attribute; name another")

    def keys(self, scope: Scope, table: TargetTable, item: Item, path: Path) -> tuple[KeyAttribute, ...]:
        """The key attributes that could be compiled; all that is wrong is among the problems."""
        wanted = [spec.name for spec in table.keys]
        for name in item.key:
            if name not in wanted:
                self.problems.add((*path, "key", name), f"no key of `{item.table}`; its key: {listed(wanted)}")
        for name in wanted:
            if name not in item.key:
                self.problems.add((*path, "key"), f"lacks `{name}`, which is part of the key of `{item.table}`")
        given = [spec for spec in table.keys if spec.name in item.key]
        keys = [self._key(scope, spec, item.key[spec.name], (*path, "key", spec.name)) for spec in given]
        return tuple(key for key in keys if key is not None)

    def _key(self, scope: Scope, spec: KeySpec, text: str, path: Path) -> KeyAttribute | None:
        templates = Templates(self.problems)
        raw = templates.parsed(text, path)
        if raw is None:
            return None
        if raw.only is not None:
            found = templates.resolve(scope, raw.only, path)
            value = None if found is None else self._key_column(found, spec, path)
            return None if value is None else KeyAttribute(spec.name, spec.type, value)
        template = templates.template(scope, raw, path)
        if template is None:
            return None
        if spec.type is not KeyType.S:
            self.problems.add(
                path, f"`{text}` gives a text, but the key is {spec.type}; write exactly {{column}}, or make it S"
            )
        for message in collisions(template):
            self.problems.add(path, f"`{text}`: {message}")
        return KeyAttribute(spec.name, spec.type, TemplateValue(template))

    def _key_column(self, found: Resolved, spec: KeySpec, path: Path) -> ColumnValue | None:
        type = found.column.type
        asked = found.scope.encoding(found.column)
        encoding = asked if _WIRE_TYPES.get(asked) is spec.type else Encoding(spec.type.value)
        if type.kind not in UNKEYED and encoding in encodings_of(type):
            return column_value(found, encoding)
        self.problems.add(
            path, f"`{found.column.name}` is {type.name}, but the key is {spec.type}; {_key_hint(type, spec.type)}"
        )
        return None

    def index_keys(
        self, table: TargetTable, keys: tuple[KeyAttribute, ...], root: RowPlan, path: Path
    ) -> tuple[RowPlan, tuple[IndexKey, ...]]:
        """The row with its index keys never an explicit NULL, and the index keys that this item type has."""
        self._check_own(root, path)
        limits: dict[str, IndexKey] = {}
        values: dict[str, Value] = {attribute.name: attribute.value for attribute in root.attributes}
        values |= {key.name: key.value for key in keys}
        for spec, max_bytes, _ in _index_specs(table, ()):
            if spec.name not in values:
                continue
            self._check_type(spec, values[spec.name], path)
            smaller = min(max_bytes, limits[spec.name].max_bytes if spec.name in limits else max_bytes)
            limits[spec.name] = IndexKey(spec.name, spec.type, smaller)
        attributes = tuple(
            replace(attribute, nulls=Nulls.ABSENT) if attribute.name in limits else attribute
            for attribute in root.attributes
        )
        return replace(root, attributes=attributes), tuple(limits[name] for name in sorted(limits))

    def _check_own(self, root: RowPlan, path: Path) -> None:
        for attribute in root.attributes:
            if attribute.name in OWN_ATTRIBUTES:
                self.problems.add(path, f"`{attribute.name}` is an attribute of Crossover's own; rename or exclude it")

    def _check_type(self, spec: KeySpec, value: Value, path: Path) -> None:
        actual = wire_type(value)
        if actual is not spec.type:
            shown = actual or "no S, N or B"
            self.problems.add(
                path,
                f"`{spec.name}` is {shown}, but as a key of an index it is {spec.type}; give it that type, "
                "rename it, or change the index",
            )

    def check_projections(self, items: Mapping[str, Item], plans: list[ItemPlan]) -> None:
        """What an index carries must be there in some item; known where all items of the table are compiled."""
        for name, table in self.target.tables.items():
            here = [plan for plan in plans if plan.table == name]
            if len(here) < sum(item.table == name for item in items.values()):
                continue
            known = {attribute.name for plan in here for attribute in plan.root.attributes}
            known |= {key.name for plan in here for key in plan.key}
            for path, attribute in _projected(table, ("target", "tables", name, "indexes")):
                if attribute not in known:
                    self.problems.add(
                        path, f"no item of `{name}` has an attribute `{attribute}`{nearest(attribute, sorted(known))}"
                    )

    def check_ttl(self, plans: list[ItemPlan]) -> None:
        for name, table in self.target.tables.items():
            if table.ttl is None:
                continue
            here = [
                (plan, attribute)
                for plan in plans
                if plan.table == name
                for attribute in plan.root.attributes
                if attribute.name == table.ttl
            ]
            if not here and any(plan.table == name for plan in plans):
                message = f"no item of `{name}` has an attribute `{table.ttl}`; name one, or take `ttl` out"
                self.problems.add(("target", "tables", name, "ttl"), message)
            for plan, attribute in here:
                self._check_ttl_attribute(plan, attribute)

    def _check_ttl_attribute(self, plan: ItemPlan, attribute: Attribute) -> None:
        value = attribute.value
        if isinstance(value, ColumnValue) and (
            value.encoding is Encoding.EPOCH_SECONDS
            or (value.type.kind is Kind.INTEGER and value.encoding is Encoding.N)
        ):
            return
        self.problems.add(
            ("items", plan.name),
            f"`{attribute.name}` is the table's `ttl` and must be in epoch seconds; "
            f"write types: {{column: epoch_seconds}}",
        )


def wire_type(value: Value) -> KeyType | None:
    """What DynamoDB would key on; None for what it cannot."""
    match value:
        case ColumnValue():
            return _WIRE_TYPES.get(value.encoding)
        case TemplateValue():
            return KeyType.S
        case ConstantValue():
            return next((type for type in KeyType if value.fragment.startswith(f'{{"{type}":')), None)
        case EmbedValue():
            return None


def _key_hint(type: SourceType, wanted: KeyType) -> str:
    if type.kind in UNKEYED:
        return "DynamoDB keys are texts, numbers or bytes (S, N, B); use another column"
    ways = sorted(way for way in encodings_of(type) if _WIRE_TYPES.get(way) is wanted)
    if ways:
        return f"say how in `types`: {listed(ways)}"
    possible = sorted({_WIRE_TYPES[way] for way in encodings_of(type) if way in _WIRE_TYPES})
    return f"it can be {listed(possible)}; change the table's key, or use another column"


def _projected(table: TargetTable, path: Path) -> Iterator[tuple[Path, str]]:
    for name, index in table.indexes.items():
        if isinstance(index.projection, Include):
            for n, attribute in enumerate(index.projection.include):
                yield (*path, name, "projection", "include", n), attribute


def _key_specs(table: TargetTable, path: Path) -> Iterator[tuple[KeySpec, int, Path]]:
    yield table.partition_key, MAX_PARTITION_KEY_BYTES, (*path, "partition_key")
    if table.sort_key is not None:
        yield table.sort_key, MAX_SORT_KEY_BYTES, (*path, "sort_key")
    yield from _index_specs(table, path)


def _index_specs(table: TargetTable, path: Path) -> Iterator[tuple[KeySpec, int, Path]]:
    for name, index in table.indexes.items():
        yield index.partition_key, MAX_PARTITION_KEY_BYTES, (*path, "indexes", name, "partition_key")
        if index.sort_key is not None:
            yield index.sort_key, MAX_SORT_KEY_BYTES, (*path, "indexes", name, "sort_key")
