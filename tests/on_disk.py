"""Places of a warehouse on this machine's disk, as tests look at them and spoil them."""

from __future__ import annotations

from pathlib import Path

from pipelines.warehouse.place import Place


def on_disk(place: Place) -> Path:
    assert place.local is not None
    return place.local
