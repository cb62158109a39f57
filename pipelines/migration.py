"""What every stage is given: the mapping, and its folder in the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.logs import about, hide_attributes
from pipelines.mapping.load import load_mapping
from pipelines.mapping.model import Mapping, bodies
from pipelines.settings import warehouse_address
from pipelines.warehouse.layout import MigrationFolder
from pipelines.warehouse.place import Place


@dataclass(frozen=True)
class Migration:
    mapping: Mapping
    mapping_hash: str
    folder: MigrationFolder
    path: Path = Path("MIGRATION.yaml")  # of the mapping file, for commands that are told to the reader

    @classmethod
    def open(cls, path: Path, warehouse: Place | Path | None = None) -> Migration:
        """Loads the mapping and opens its folder; the warehouse is CROSSOVER_WAREHOUSE unless given.

        Raises MappingError, UsageError or WarehouseError.
        """
        mapping = load_mapping(path)
        about(migration=mapping.migration)
        hide_attributes(name.rpartition(".")[2] for body in bodies(mapping) for name in body.sensitive)
        return cls(
            mapping=mapping,
            mapping_hash=mapping.meaning_hash(),
            folder=MigrationFolder.open(Place.of(warehouse or warehouse_address()), mapping.migration),
            path=path.absolute(),
        )
