"""A file that is there for a moment, to see what can be done in a folder."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import TypeVar, cast

from pipelines.errors import WarehouseError
from pipelines.warehouse.place import Place

P = TypeVar("P", bound=Place)


@contextlib.contextmanager
def probe_in(folder: P) -> Iterator[P]:
    """A hidden place for it, cleared afterwards. Errors are told of the folder, for nobody knows the probe's name."""
    probe = folder / f".probe-{secrets.token_hex(8)}"
    with _told_of(folder, probe):
        try:
            yield cast(P, probe)  # `/` keeps the kind of place
        except BaseException:
            with contextlib.suppress(WarehouseError):  # the first error says more
                probe.remove()
            raise
        probe.remove()


@contextlib.contextmanager
def _told_of(folder: Place, probe: Place) -> Iterator[None]:
    try:
        yield
    except WarehouseError as error:
        if str(probe) not in str(error):
            raise
        raise type(error)(str(error).replace(str(probe), str(folder))) from error.__cause__
