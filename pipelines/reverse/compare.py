"""All items of the tables, strongly consistent, applied where they are newer than the ledger: exact, whatever the
streams have told."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.progress import Progress
from pipelines.reverse.apply.image import Image
from pipelines.reverse.opened import Opened
from pipelines.reverse.record import image_of
from pipelines.reverse.tally import Tally
from pipelines.target.record import target_record
from pipelines.target.scan import Scanner

_BATCH = 250


@dataclass
class Compared:
    """Items: `compared`, tombstones included; `foreign`: without a version, they are left alone."""

    compared: int = 0
    foreign: int = 0


def compare(opened: Opened, item_types: frozenset[str], tally: Tally, progress: Progress) -> Compared:
    """Of these item types. Raises StageError, SourceError, TargetError; it can be run again."""
    compared = Compared()
    scanner = Scanner(opened.wire)
    for table in dict.fromkeys(filter(None, map(opened.table_of, item_types))):
        batch: list[Image] = []
        for page in scanner.pages(table, 0, 1):
            for item in page:
                record = target_record(item, opened.key_names[table])
                if opened.item_type(table, record.key) not in item_types:
                    continue
                compared.compared += 1
                image = image_of(record, table)
                if image is None:
                    compared.foreign += 1
                else:
                    batch.append(image)
                if len(batch) >= _BATCH:
                    tally.add(opened.applier.apply(batch))
                    batch = []
            progress.advance(len(page))
        tally.add(opened.applier.apply(batch))
    return compared
