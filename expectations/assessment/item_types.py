"""The item types of a mapping as the page tells them: keys, embeds, indexes, and why they are so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from expectations.assessment.templates_of import template_of
from pipelines.assess.design import Choice, Judged, TypeEstimate
from pipelines.mapping.catalog import Catalog, Table
from pipelines.mapping.model import Body, Item, KeySpec, Mapping


@dataclass(frozen=True)
class KeyPart:
    attribute: str
    template: str


@dataclass(frozen=True)
class ShownEmbed:
    """`path`: from the item on; `form`: `list`, `map`, `set`, with what limits it."""

    path: str
    table: str
    form: str
    depth: int


@dataclass(frozen=True)
class ShownIndex:
    name: str
    parts: tuple[KeyPart, ...]
    projection: str


@dataclass(frozen=True)
class ShownType:
    """`choices`: those about it, its embeds and its indexes; `root`: the table that its items are made of."""

    name: str
    table: str
    root: str
    where: str
    key: tuple[KeyPart, ...]
    embeds: tuple[ShownEmbed, ...]
    indexes: tuple[ShownIndex, ...]
    choices: tuple[Choice, ...]
    estimate: TypeEstimate | None


def item_types(mapping: Mapping, judged: Judged, catalog: Catalog) -> tuple[ShownType, ...]:
    estimates = {one.item_type: one for one in judged.estimates.types} if judged.estimates is not None else {}
    return tuple(
        ShownType(
            name=name,
            table=item.table,
            root=_table_name(item, mapping),
            where=item.where or "",
            key=tuple(KeyPart(attribute, template) for attribute, template in item.key.items()),
            embeds=tuple(_embeds(item, mapping)),
            indexes=tuple(_indexes(item, mapping, catalog.table(item.from_.ref(mapping.source.schema_)))),
            choices=tuple(one for one in judged.choices if _is_about(one, name)),
            estimate=estimates.get(name),
        )
        for name, item in mapping.items.items()
    )


def other_choices(mapping: Mapping, judged: Judged) -> tuple[Choice, ...]:
    """Those about no item type: tables that it leaves out, the whole."""
    return tuple(one for one in judged.choices if not any(_is_about(one, name) for name in mapping.items))


def _is_about(choice: Choice, item_type: str) -> bool:
    return choice.about == item_type or choice.about.startswith((f"{item_type}.", f"{item_type}/"))


def _table_name(body: Body, mapping: Mapping) -> str:
    ref = body.from_.ref(mapping.source.schema_)
    return ref.table if ref.schema_name == mapping.source.schema_ else str(ref)


def _embeds(body: Body, mapping: Mapping, above: str = "", depth: int = 0) -> Iterator[ShownEmbed]:
    for name, embed in body.embed.items():
        limits = [f"the first {embed.limit:,}"] if embed.limit is not None else []
        limits += ["for templates only"] if embed.hidden else []
        path = f"{above}{name}"
        yield ShownEmbed(path, _table_name(embed, mapping), ", ".join([str(embed.as_), *limits]), depth)
        yield from _embeds(embed, mapping, f"{path}.", depth + 1)


def _indexes(item: Item, mapping: Mapping, table: Table | None) -> Iterator[ShownIndex]:
    """Those that items of this type lie in."""
    for name, spec in mapping.target.tables[item.table].indexes.items():
        keys: list[KeySpec] = [spec.partition_key, *([spec.sort_key] if spec.sort_key is not None else [])]
        filled = [(key.name, template_of(item, key.name, table)) for key in keys]
        parts = tuple(KeyPart(attribute, template) for attribute, template in filled if template is not None)
        if len(parts) == len(keys):
            carried = spec.projection if isinstance(spec.projection, str) else ", ".join(spec.projection.include)
            yield ShownIndex(name, parts, carried)
