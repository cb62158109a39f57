"""The epoch as the warehouse knows it: `<warehouse>/<migration>/epoch.json`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import WarehouseError
from pipelines.warehouse.place import MissingError, Place

EPOCH_FILE = "epoch.json"


class _Epoch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    epoch: int


def read_epoch(folder: Path | Place) -> int:
    """Of the migration's folder; 0 where it never had one. Raises WarehouseError."""
    file = Place.of(folder) / EPOCH_FILE
    try:
        return _Epoch.model_validate_json(file.read_bytes()).epoch
    except MissingError:
        return 0
    except ValidationError:
        raise WarehouseError(f"{file}: not a file of Crossover, or damaged; write the epoch into it by hand") from None


def write_epoch(folder: Path | Place, epoch: int) -> None:
    """Atomically. Raises WarehouseError."""
    (Place.of(folder) / EPOCH_FILE).write_atomically(_Epoch(epoch=epoch).model_dump_json() + "\n")
