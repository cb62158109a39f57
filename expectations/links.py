"""Addresses of one page of the warehouse relative to another: a warehouse that is moved or copied keeps them."""

from __future__ import annotations

from urllib.parse import quote

from pipelines.diff.differences import DIFFERENCES
from pipelines.warehouse.layout import MigrationFolder

PAGE = "index.html"
DATA_DOCS = "data_docs/index.html"
FROM_RUN_TO_OVERVIEW = "../../../index.html"


def differences_link(folder: MigrationFolder, run_id: str, above: str) -> str:
    """To the folder of a run's differences, `above` being the way up to the migration's; "" in S3, which has no folder
    that a browser could open."""
    return "" if folder.root.local is None else f"{above}diffs/{quote(run_id)}/{DIFFERENCES}/"


def link_to(folder: MigrationFolder, *parts: str) -> str:
    """From the warehouse's own page to something of a migration."""
    return "/".join(quote(part) for part in (folder.root.name, *parts))
