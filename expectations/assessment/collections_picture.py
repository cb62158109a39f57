"""The item collections of a DynamoDB table, or of an index, as a picture: partitions as rows, in each the item types
that can lie in it, in the order of their sort keys. Geometry only, in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from expectations.assessment.cells import CELL, fit
from expectations.assessment.figures import number, size
from expectations.assessment.templates_of import literal_start, partitions_of, shape_of, template_of
from expectations.display import visible
from pipelines.assess.design import Judged, TypeEstimate
from pipelines.mapping.catalog import Catalog
from pipelines.mapping.model import Item, KeySpec
from pipelines.mapping.model import Mapping as MappingFile

LABEL = 288
BOX = 232
_GAP = 14
_MARGIN = 10
_HEAD = 28
_LINE = 18
_LEAST = 54  # of what stands in a partition's label
_MOST_EMBEDS = 4
_MOST_BOXES = 48

_LABEL_CELLS = int((LABEL - 24) / CELL)
_CELLS = int((BOX - 24) / CELL)


@dataclass(frozen=True)
class TextLine:
    """`kind`: `key` for a template, `soft` for what else is said."""

    text: str
    kind: str
    y: float


@dataclass(frozen=True)
class TypeBox:
    name: str
    title: str
    x: float
    height: float
    lines: tuple[TextLine, ...]


@dataclass(frozen=True)
class PartitionRow:
    """`template`: of the partition key, cut; `title`: whole; `partitions`: how many there are, in words."""

    partitions: str
    template: str
    title: str
    y: float
    height: float
    boxes: tuple[TypeBox, ...]


@dataclass(frozen=True)
class CollectionsPicture:
    """`index` is "" for the table itself; `left_out`: item types that there was no room for."""

    table: str
    index: str
    partition_key: str
    sort_key: str
    projection: str
    rows: tuple[PartitionRow, ...]
    left_out: int
    width: float
    height: float
    label_width: int = LABEL
    box_width: int = BOX

    @property
    def words(self) -> str:
        where = f"index {self.index} of {self.table}" if self.index else f"table {self.table}"
        told = "; ".join(f"{row.title}: {', '.join(box.title for box in row.boxes)}" for row in self.rows)
        return visible(f"{where}, by partition. {told}" if told else f"{where}: no item type lies in it")


def collection_pictures(mapping: MappingFile, judged: Judged, catalog: Catalog) -> tuple[CollectionsPicture, ...]:
    """Of each table, and after it of each of its indexes."""
    return tuple(_pictures(_Drawing(mapping, catalog, _sizes(judged))))


def _sizes(judged: Judged) -> dict[str, TypeEstimate]:
    return {one.item_type: one for one in judged.estimates.types} if judged.estimates is not None else {}


@dataclass(frozen=True)
class _Drawing:
    mapping: MappingFile
    catalog: Catalog
    sizes: Mapping[str, TypeEstimate]

    def template(self, item: Item, attribute: str) -> str | None:
        return template_of(item, attribute, self.catalog.table(item.from_.ref(self.mapping.source.schema_)))


@dataclass(frozen=True)
class _Placed:
    """An item type, with the templates of its keys here."""

    name: str
    item: Item
    partition: str
    sort: str | None


def _pictures(drawing: _Drawing) -> Iterator[CollectionsPicture]:
    for name, table in drawing.mapping.target.tables.items():
        items = {one: item for one, item in drawing.mapping.items.items() if item.table == name}
        yield _picture(drawing, items, (name, "", ""), table.partition_key, table.sort_key)
        for index, spec in table.indexes.items():
            carried = spec.projection if isinstance(spec.projection, str) else ", ".join(spec.projection.include)
            yield _picture(drawing, items, (name, index, carried), spec.partition_key, spec.sort_key)


def _picture(
    drawing: _Drawing,
    items: Mapping[str, Item],
    what: tuple[str, str, str],
    partition_key: KeySpec,
    sort_key: KeySpec | None,
) -> CollectionsPicture:
    placed = list(_placed(drawing, items, partition_key, sort_key))
    by_shape: dict[str, list[_Placed]] = {}
    for one in placed[:_MOST_BOXES]:
        by_shape.setdefault(shape_of(one.partition), []).append(one)
    rows: list[PartitionRow] = []
    y = float(_MARGIN)
    for members in by_shape.values():
        row = _row(drawing, members, y, is_index=bool(what[1]))
        rows.append(row)
        y += row.height + _GAP
    widest = max((len(row.boxes) for row in rows), default=0)
    return CollectionsPicture(
        *what[:2],
        partition_key=partition_key.name,
        sort_key=sort_key.name if sort_key is not None else "",
        projection=what[2],
        rows=tuple(rows),
        left_out=max(len(placed) - _MOST_BOXES, 0),
        width=_MARGIN * 2 + LABEL + widest * (BOX + _GAP),
        height=y - _GAP + _MARGIN,
    )


def _placed(
    drawing: _Drawing, items: Mapping[str, Item], partition_key: KeySpec, sort_key: KeySpec | None
) -> Iterator[_Placed]:
    """Those that have all of the key: the others are not there."""
    for name, item in items.items():
        partition = drawing.template(item, partition_key.name)
        sort = drawing.template(item, sort_key.name) if sort_key is not None else None
        if partition is not None and (sort_key is None or sort is not None):
            yield _Placed(name, item, partition, sort)


def _row(drawing: _Drawing, members: list[_Placed], y: float, *, is_index: bool) -> PartitionRow:
    shared = members[0].partition
    ordered = sorted(members, key=lambda one: literal_start(one.sort or "").encode())
    texts = [list(_lines(drawing, one, shared, is_index=is_index)) for one in ordered]
    height = max(_HEAD + _LINE * max(map(len, texts)) + 8, _LEAST)
    boxes = tuple(
        TypeBox(
            name=fit(one.name, _CELLS),
            title=f"{visible(one.name)} {visible(one.sort)}" if one.sort is not None else visible(one.name),
            x=_MARGIN + LABEL + _GAP + number * (BOX + _GAP),
            height=height,
            lines=tuple(
                TextLine(fit(text, _CELLS), kind, _HEAD + _LINE * line + 11) for line, (text, kind) in enumerate(lines)
            ),
        )
        for number, (one, lines) in enumerate(zip(ordered, texts, strict=True))
    )
    return PartitionRow(partitions_of(shared), fit(shared, _LABEL_CELLS), visible(shared), y, height, boxes)


def _lines(drawing: _Drawing, one: _Placed, shared: str, *, is_index: bool) -> Iterator[tuple[str, str]]:
    if one.sort is not None:
        yield one.sort, "key"
    if one.partition != shared:
        yield f"of {one.partition}", "key"
    if is_index:
        return
    embeds = [(name, embed) for name, embed in one.item.embed.items() if not embed.hidden]
    for name, embed in embeds[:_MOST_EMBEDS]:
        brackets = {"list": "[ ]", "set": "{ }"}.get(str(embed.as_), "")
        yield f"{name}{brackets} ← {embed.from_.table}", "soft"
    if len(embeds) > _MOST_EMBEDS:
        yield f"and {len(embeds) - _MOST_EMBEDS} more", "soft"
    estimate = drawing.sizes.get(one.name)
    if estimate is not None:
        yield f"{number(estimate.items)} × {size(estimate.mean_bytes)}", "soft"
