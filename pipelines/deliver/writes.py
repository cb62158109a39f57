"""What a reading asks of DynamoDB: the put first, then tombstones at the keys that the row has left (rule 8).

A row that cannot be an item (a reject) is not written, and its old item stays as it was: it is the last that readers
can have, and whoever judges it says `rejected`, whatever is there. Keys that such a row has left get their tombstones
all the same: an item stands nowhere but where its row says.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.deliver.reading import Reading
from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.outcome import Absent, Assembled
from pipelines.mapping.plan import ItemPlan
from pipelines.source.ledger.item_row import LeftKey
from pipelines.target.conditional_write import Write


@dataclass(frozen=True)
class Wanted:
    """`left`: of a tombstone, the entry that it settles."""

    write: Write
    left: LeftKey | None


def writes(item: ItemPlan, reading: Reading) -> list[Wanted]:
    owner = None if key_names_row(item) else reading.source_key

    def write(key: str, content: str | None) -> Write:
        return Write(item.table, item.key[0].name, key, content, reading.version, owner, reading.at)

    outcome = reading.outcome
    puts = [Wanted(write(outcome.key, outcome.item), None)] if isinstance(outcome, Assembled) else []
    own = None if isinstance(outcome, Absent) else outcome.key
    return [*puts, *(Wanted(write(left.key, None), left) for left in reading.left if left.key != own)]
