"""The scenarios: small, each around one race. Together they take every rule out once."""

from __future__ import annotations

from dataclasses import replace

from tests.model.scenario import Scenario
from tests.model.source import (
    ChangeKey,
    ChangeParent,
    Delete,
    DeleteChild,
    Insert,
    MoveChild,
    Operation,
    PutChild,
    Relink,
    Row,
    Tables,
    Transaction,
    Update,
)
from tests.model.state import EPOCH, FOREIGN, Stored


def tx(name: str, *operations: Operation, replica: bool = False) -> Transaction:
    return Transaction(name, operations, replica)


ONE_ORDER = Scenario(
    "one order, changed twice, two relays, a late request, a crash",
    (tx("update", Update(0)), tx("update again", Update(0))),
    relays=2,
    late=1,
    crashes=1,
    compaction=True,
)
BACKFILL = Scenario(
    "backfill from a snapshot that grows old, update and delete meanwhile",
    (tx("update", Update(0)), tx("delete", Delete(0))),
    filled=False,
    backfill=True,
    late=1,
    crashes=1,
)
REINSERT = Scenario(
    "deleted and inserted again with the same key, folded at any moment",
    (tx("delete", Delete(0)), tx("insert", Insert(0, 0)), tx("delete again", Delete(0))),
    relays=2,
    late=1,
    compaction=True,
)
EMBEDDED_PARENT = Scenario(
    "embedded parent renamed while an item begins to embed it",
    (tx("rename parent 1", ChangeParent(1)), tx("embed parent 1", Relink(0, 1)), tx("embed parent 0", Relink(0, 0))),
    tables=Tables((Row(0, 0, 0),), parents=(0, 0)),
    backfill=True,
    filled=False,
    split=True,
    crashes=1,
)
STALE_PARENT = Scenario(
    "items read while a mark is open",
    (tx("rename parent", ChangeParent(0)), tx("update", Update(0))),
    relays=2,
    filled=False,
    backfill=True,
    late=1,
)
CHILDREN = Scenario(
    "children inserted, moved between two orders, deleted; an order deleted with its children",
    (
        tx("put child", PutChild(0, 0)),
        tx("move child", MoveChild(0, 1)),
        tx("delete child", DeleteChild(0)),
        tx("delete order 1", Delete(1)),
    ),
    tables=Tables((Row(0, 0, 0), Row(1, 0, 0)), children=((0, 0),)),
    keys=2,
    relays=2,
)
KEY_MOVE = Scenario(
    "an order moves to another customer while a line is added",
    (tx("move order", ChangeKey(0, 1)), tx("add line", PutChild(0, 0))),
    tables=Tables((Row(0, 0, 0),), children=(None,)),
    keys=2,
    relays=2,
    split=True,
    late=1,
    crashes=1,
)
KEY_MOVE_BACKFILL = Scenario(
    "an order that only backfill has put moves, and moves back, or is deleted",
    (tx("move", ChangeKey(0, 1)), tx("move back", ChangeKey(0, 0)), tx("delete", Delete(0))),
    keys=2,
    filled=False,
    backfill=True,
    compaction=True,
)
KEYS_DROPPED = Scenario(
    "left keys are forgotten only by who has tombstoned them",
    (tx("move", ChangeKey(0, 1)), tx("move back", ChangeKey(0, 0)), tx("move again", ChangeKey(0, 1))),
    keys=2,
    relays=2,
    compaction=True,
)
TWO_HOLDERS = Scenario(
    "two rows hold one key, one after the other",
    (tx("0 leaves", Update(0), ChangeKey(0, 1)), tx("1 takes the key", ChangeKey(1, 0)), tx("delete 1", Delete(1))),
    tables=Tables((Row(0, 0, 0), Row(2, 0, 0))),
    keys=3,
    late=1,
)
SWAP = Scenario(
    "two rows swap their keys in one transaction",
    (tx("swap", ChangeKey(0, 1), ChangeKey(1, 0)), tx("update", Update(0))),
    tables=Tables((Row(0, 0, 0), Row(1, 0, 0))),
    keys=2,
    relays=2,
)
UNCAPTURED_HOLDER = Scenario(
    "before capture a key changed hands; the target still has the item of the row that held it",
    (tx("update 0", Update(0)), tx("delete 1", Delete(1))),
    tables=Tables((Row(1, 0, 0), Row(0, 0, 0))),
    keys=2,
    filled=False,
    backfill=True,
    planted={0: Stored(0, (0, 99, 0), 0)},
    crashes=1,
)
LONGER_LIVED = Scenario(
    "a key taken over by a row with a lower version, while an old put to it is under way",
    (
        tx("0 updated three times", Update(0), Update(0), Update(0)),
        tx("0 leaves", ChangeKey(0, 1)),
        tx("1 takes the key", ChangeKey(1, 0)),
        tx("delete 1", Delete(1)),
    ),
    tables=Tables((Row(0, 0, 0), Row(2, 0, 0))),
    keys=3,
    filled=False,
    backfill=True,
)
TWO_HOLDERS_SWEEP = Scenario(
    "two rows hold one key, one after the other, and tombstones are swept",
    (tx("0 leaves", Update(0), ChangeKey(0, 1)), tx("1 takes the key", ChangeKey(1, 0)), tx("delete 1", Delete(1))),
    tables=Tables((Row(0, 0, 0), Row(2, 0, 0))),
    keys=3,
    late=1,
    sweep=True,
)
FOREIGN_ITEM = Scenario(
    "a stranger's item under our key",
    (tx("update", Update(0)), tx("delete", Delete(0))),
    filled=False,
    backfill=True,
    planted={0: FOREIGN},
    conflicts_allowed=True,
)
SWEEP = Scenario(
    "tombstones swept while requests are under way and backfills open",
    (tx("update", Update(0)), tx("delete", Delete(0)), tx("insert", Insert(0, 0))),
    relays=2,
    filled=False,
    backfill=True,
    sweep=True,
    late=1,
)
TOO_HIGH = Scenario(
    "an item of ours with a version that the ledger never gave",
    (tx("update", Update(0)), tx("update again", Update(0))),
    planted={0: Stored(EPOCH + 7, (0, 99, 0), 0)},
    conflicts_allowed=True,
    repairs=True,
    compaction=True,
)
TOO_HIGH_BUT_EQUAL = replace(
    TOO_HIGH,
    name="an item of ours with the right content and a version that the ledger never gave",
    planted={0: Stored(EPOCH + 7, (0, 0, 0), 0)},
)
TOO_HIGH_REINSTALL = Scenario(
    "a version from far above, touched over, and capture installed again",
    (tx("update", Update(0)), tx("update again", Update(0))),
    planted={0: Stored(3 * EPOCH + 7, (0, 99, 0), 0)},
    touches=((0, 3 * EPOCH + 7),),
    late=1,
    reinstalls=1,
    backfill=True,
    conflicts_allowed=True,
    repairs=True,
)
CORRUPTED = replace(
    TOO_HIGH,
    name="an item of ours whose content was spoilt, its version kept",
    planted={0: Stored(EPOCH, (0, 99, 0), 0)},
)
PLANTED_EXTRA = replace(
    TOO_HIGH,
    name="an item of ours that no source row has",
    transactions=(tx("update", Update(0)), tx("insert 1", Insert(1, 1))),
    tables=Tables((Row(0, 0, 0), None)),
    keys=2,
    planted={1: Stored(EPOCH, (0, 99, 0), 1)},
)
TOUCH = Scenario(
    "repair touches while log rows are folded and appended",
    (tx("update", Update(0)), tx("update again", Update(0))),
    compaction=True,
    touches=((0, EPOCH), (0, EPOCH + 1)),
)
REINSTALL = Scenario(
    "capture removed and installed again; a write between goes uncaptured",
    (tx("update", Update(0)), tx("update again", Update(0))),
    reinstalls=1,
    backfill=True,
    late=1,
)
INSTALL = Scenario(
    "a backfill begins while capture is being installed",
    (tx("update", Update(0)),),
    capture=False,
    filled=False,
    backfill=True,
)
REPLICA_ROLE = Scenario(
    "a session with session_replication_role = replica",
    (tx("update", Update(0), replica=True),),
)
UPGRADE = Scenario(
    "the mapping changes while relays of the old one run",
    (tx("update", Update(0)), tx("update again", Update(0))),
    relays=2,
    backfill=True,
    mapping_upgrades=1,
)
VERIFY = Scenario(
    "verification under writes, of one item with an embedded parent",
    (tx("update", Update(0)), tx("rename parent", ChangeParent(0)), tx("delete", Delete(0))),
    verifications=1,
)
VERIFY_KEYS = Scenario(
    "verification while a key changes hands",
    (tx("0 leaves", ChangeKey(0, 1)), tx("1 takes the key", ChangeKey(1, 0)), tx("update 1", Update(1))),
    tables=Tables((Row(0, 0, 0), Row(2, 0, 0))),
    keys=3,
    verifications=1,
)

SCENARIOS = tuple(value for value in tuple(globals().values()) if isinstance(value, Scenario))


def deeper(scenario: Scenario) -> Scenario:
    """With one more fault of each kind, for `make torture`."""
    return replace(scenario, late=scenario.late + 1, crashes=scenario.crashes + 1)
