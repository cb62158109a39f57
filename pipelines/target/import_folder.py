"""What an import leaves in its run's folder beside what every backfill does, to go on after any interruption.

backfills/<run_id>/import.json         how the objects are made and where they lie, before any is
                   objects/<n>.json    a bucket's objects, once all of them are there
                   imports.json        each table's import: its token before it is asked for, then its ARN
                   import/<table>/     the objects themselves, where the warehouse is in S3
                   failed/import.parquet   FAILED_SCHEMA: the items that the import's error log names
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import WarehouseError
from pipelines.target.dead_letter import FAILED_SCHEMA, DeadLetter
from pipelines.warehouse.dataset import write_table
from pipelines.warehouse.in_parallel import each
from pipelines.warehouse.place import MissingError, Place

_PLAN, _IMPORTS, _OBJECTS = "import.json", "imports.json", "objects"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


M = TypeVar("M", bound=_Frozen)


class ImportPlan(_Frozen):
    """`target`: the folder of all objects, `s3://bucket/prefix`. `objects`: how many each bucket has, per table; tables
    without records are not among them."""

    target: str
    compression: str
    objects: dict[str, int]
    keep_objects: bool = False


class WrittenObject(_Frozen):
    """`name`: below the plan's `target`. `bytes`: compressed."""

    table: str
    name: str
    items: int
    bytes: int


class BucketObjects(_Frozen):
    bucket: int
    objects: tuple[WrittenObject, ...]

    @property
    def items(self) -> int:
        return sum(one.items for one in self.objects)


class AskedImport(_Frozen):
    """`arn`: None until ImportTable has answered."""

    token: str
    arn: str | None = None


class _AskedImports(_Frozen):
    tables: dict[str, AskedImport]


class ImportFolder:
    """`backfills/<run_id>/`."""

    def __init__(self, path: Place) -> None:
        self.path = path

    def begin(self, plan: ImportPlan) -> None:
        self.path.make_folder()
        (self.path / _OBJECTS).make_folder()
        _save(self.path / _PLAN, plan)

    def plan(self) -> ImportPlan:
        return _load(self.path / _PLAN, ImportPlan)

    def finish_objects(self, written: BucketObjects) -> None:
        _save(self._objects_path(written.bucket), written)

    def objects(self, buckets: Iterable[int]) -> list[BucketObjects]:
        """Of those buckets whose objects are all there."""
        names = {file.name.removesuffix(".json") for file in (self.path / _OBJECTS).files(".json")}
        there = [bucket for bucket in buckets if str(bucket) in names]
        return each(lambda bucket: _load(self._objects_path(bucket), BucketObjects), there, self.path)

    def forget_objects(self, bucket: int) -> None:
        self._objects_path(bucket).remove()

    def imports(self) -> dict[str, AskedImport]:
        """Per table, of those that were asked for."""
        try:
            return _load(self.path / _IMPORTS, _AskedImports).tables
        except MissingError:
            return {}

    def keep_imports(self, imports: Mapping[str, AskedImport]) -> None:
        _save(self.path / _IMPORTS, _AskedImports(tables=dict(imports)))

    def keep_refused(self, refused: Sequence[DeadLetter]) -> Place:
        """In place of those of an earlier attempt."""
        path = self.path / "failed" / "import.parquet"
        if refused:
            write_table(pa.Table.from_pylist([vars(one) for one in refused], schema=FAILED_SCHEMA), path, durable=True)
        else:
            path.remove()
        return path

    def _objects_path(self, bucket: int) -> Place:
        return self.path / _OBJECTS / f"{bucket}.json"


def _save(place: Place, content: _Frozen) -> None:
    place.write_atomically(content.model_dump_json(indent=2) + "\n")


def _load(place: Place, model: type[M]) -> M:
    """Raises MissingError, and WarehouseError where it cannot be read."""
    try:
        return model.model_validate_json(place.read_text())
    except ValidationError:
        raise WarehouseError(f"{place}: damaged, or of another Crossover; remove the run's folder") from None
