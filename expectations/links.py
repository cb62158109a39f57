"""Addresses of one page of the warehouse relative to another: a warehouse that is moved or copied keeps them."""

from __future__ import annotations

from urllib.parse import quote

from pipelines.warehouse.layout import MigrationFolder

PAGE = "index.html"
DATA_DOCS = "data_docs/index.html"
FROM_RUN_TO_OVERVIEW = "../../../index.html"


def link_to(folder: MigrationFolder, *parts: str) -> str:
    """From the warehouse's own page to something of a migration."""
    return "/".join(quote(part) for part in (folder.root.name, *parts))
