"""Which template fills an attribute of an item type: for its keys, and for those of indexes."""

from __future__ import annotations

from math import prod

from pipelines.mapping.catalog import Table
from pipelines.mapping.model import Item
from pipelines.mapping.templates import RawPlaceholder, TemplateError, parse_template


def template_of(item: Item, attribute: str, table: Table | None) -> str | None:
    """As it stands in the mapping; `{column}` where a column is that attribute, a constant as it is. None where items
    of this type have no such attribute, and so are not in an index by it. `table`: of the root, None where it is not
    known: then a column is taken to be there."""
    written = item.key.get(attribute, item.set_.get(attribute))
    if written is not None:
        return str(written)
    column = next((name for name, renamed in item.rename.items() if renamed == attribute), attribute)
    if column == attribute and attribute in item.rename:
        return None
    if column in item.exclude or (item.include is not None and column not in item.include):
        return None
    return f"{{{column}}}" if table is None or table.column(column) is not None else None


def shape_of(template: str) -> str:
    """Equal for templates that make keys of the same form, whatever their columns are called."""
    try:
        parts = parse_template(template).parts
    except TemplateError:
        return template
    return "".join(f"{{:{part.format or ''}}}" if isinstance(part, RawPlaceholder) else part for part in parts)


def partitions_of(template: str) -> str:
    """How many partitions there are, as a drawing says it before the template."""
    try:
        formats = [part.format or "" for part in parse_template(template).parts if isinstance(part, RawPlaceholder)]
    except TemplateError:
        return "partitions"
    if not formats:
        return "one partition"
    shards = [int(one.removeprefix("mod")) for one in formats if one.startswith("mod")]
    return f"{prod(shards):,} partitions" if len(shards) == len(formats) else "one partition for each"


def literal_start(template: str) -> str:
    """What keys of this template begin with."""
    try:
        parts = parse_template(template).parts
    except TemplateError:
        return template
    return parts[0] if parts and isinstance(parts[0], str) else ""
