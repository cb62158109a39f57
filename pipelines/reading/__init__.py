"""Reads of the migrated items for applications: by key, by collection, by index (docs/reading.md)."""

from pipelines.reading.items import Items, Page
from pipelines.reading.items_async import AsyncItems
from pipelines.reading.opening import save_catalog

__all__ = ["AsyncItems", "Items", "Page", "save_catalog"]
