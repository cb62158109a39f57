"""The page over all migrations of a warehouse, `<warehouse>/index.html`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from expectations.links import PAGE
from expectations.overview_data import Overview
from expectations.overview_gather import gather_overview
from expectations.render_html import render_overview
from pipelines.errors import WarehouseError
from pipelines.warehouse.place import Place

_MOST_ATTEMPTS = 5

log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def write_overview(warehouse: Place, now: Callable[[], datetime] = _now) -> tuple[Place, Overview]:
    """Writes the page anew; returns it and what it says. Raises WarehouseError.

    Two verifications that end together both write it, and the one that writes last may have read first. So whoever
    has written looks again, and writes again where something has come meanwhile.
    """
    page = warehouse / PAGE
    shown = gather_overview(warehouse, now())
    for _ in range(_MOST_ATTEMPTS):
        page.write_atomically(render_overview(shown))
        seen = gather_overview(warehouse, now())
        if replace(seen, made_at=shown.made_at) == shown:
            break
        shown = seen
    return page, shown


def refresh_overview(warehouse: Place) -> None:
    """After a run's own report, which stands whatever becomes of this page: a failure is a warning."""
    try:
        write_overview(warehouse)
    except WarehouseError as error:
        log.warning("the page over all migrations was not refreshed: %s", error)
