"""Room on this machine's disk for what a piece of work cannot hold in memory."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipelines.warehouse.place import Place


@contextlib.contextmanager
def scratch_folder(near: Place, name: str) -> Iterator[Path]:
    """A folder that is gone afterwards: beside the data, as `.<name>`, where those are on a disk; else in the
    system's folder for temporary files (TMPDIR)."""
    if near.local is None:
        with tempfile.TemporaryDirectory(prefix=f"crossover-{name}-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
        return
    folder = near / f".{name}"
    folder.make_folder()
    try:
        yield near.local / f".{name}"
    finally:
        shutil.rmtree(near.local / f".{name}", ignore_errors=True)
