"""The other direction (rules 15 and 16): one item, two applications that write it wherever the master is, a relay each
way, and a switch of the master there and back.

Each write adds its own bit to the value that it has read, so that a lost one is seen at the end. What an application
knows of the master (its lease on it) it may keep as long as it likes, until somebody waits for it to be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from tests.model.explore import Explored, Search

Master = Literal["rds", "dynamodb"]
Switch = Literal["forward", "back"]


@dataclass(frozen=True)
class Rules:
    """Numbers are those of docs/protocol.md; each one can be taken out."""

    guard: bool = True  # 15: RDS refuses the writes of a fenced group
    drained_forward: bool = True  # 15
    mirror_last: bool = True  # 15: applications hear of the new master when all else is done
    leases_ended: bool = True  # 15
    request_within_lease: bool = True  # 15: nothing is under way when a lease has ended
    drained_back: bool = True  # 15
    guard_until_phase: bool = True  # 15
    conditional_on_old: bool = True  # 16
    next_version: bool = True  # 16
    newer_wins_back: bool = True  # 16
    marked_delivered: bool = True  # 16
    relay_leaves_group: bool = True  # 15


ALL = Rules()


@dataclass(frozen=True)
class Row:
    """The source's row, and what the ledger knows of it."""

    value: int = 0
    version: int = 0
    delivered: int = 0


@dataclass(frozen=True)
class Item:
    value: int = 0
    version: int = 0


@dataclass(frozen=True)
class Put:
    """A request of an application under way: `over` is the version that it has read."""

    item: Item
    over: int


@dataclass(frozen=True)
class Writer:
    """`bits`: of the writes that are to come. `knows`: the master by the mirror; None where it has to ask. `read`: the
    item as it has read it to change it."""

    bits: tuple[int, ...]
    knows: Master | None = None
    read: Item | None = None
    put: Put | None = None


@dataclass(frozen=True)
class World:
    """`stream`: every state of the item since the start; `applied`: how many of them the reverse relay is done with;
    `repeats`: how often it may still apply one again. `relay`: the row as the relay has read it. `mirror`: the master
    as applications are told, None while they are told to wait. `at`: the next step of the switch under way."""

    row: Row
    item: Item
    stream: tuple[Item, ...]
    applied: int
    repeats: int
    relay: Row | None
    master: Master
    guard: bool
    mirror: Master | None
    writers: tuple[Writer, ...]
    switches: tuple[Switch, ...]
    at: int = 0

    def with_writer(self, number: int, writer: Writer) -> World:
        return replace(self, writers=(*self.writers[:number], writer, *self.writers[number + 1 :]))

    def with_item(self, item: Item) -> World:
        return replace(self, item=item, stream=(*self.stream, item))


Step = tuple[str, World]


@dataclass(frozen=True)
class Scenario:
    name: str
    bits: tuple[tuple[int, ...], ...]
    switches: tuple[Switch, ...]
    repeats: int = 0
    begin: Master = "rds"

    def start(self) -> World:
        return World(
            row=Row(),
            item=Item(),
            stream=(),
            applied=0,
            repeats=self.repeats,
            relay=None,
            master=self.begin,
            guard=self.begin == "dynamodb",
            mirror=self.begin,
            writers=tuple(Writer(bits) for bits in self.bits),
            switches=self.switches,
        )

    def explored(self, rules: Rules = ALL, limit: int = 1_000_000) -> Explored:
        def successors(world: World) -> list[Step]:
            return list(steps(rules, world))

        def wrong(world: World) -> str | None:
            if conflict(world):
                return f"conflict: the relay has {world.relay}, DynamoDB {world.item}"
            return None if successors(world) else wrong_at_rest(world, sum(sum(bits) for bits in self.bits))

        return Search(self.start()).run(successors, wrong, lambda _before, _after: None, limit)


def steps(rules: Rules, world: World) -> Iterator[Step]:
    for number, writer in enumerate(world.writers):
        for label, following in writer_steps(rules, world, number, writer):
            yield f"application {number}: {label}", following
    yield from relay_steps(rules, world)
    yield from reverse_steps(rules, world)
    if world.switches:
        yield from switch_steps(rules, world)


def writer_steps(rules: Rules, world: World, number: int, writer: Writer) -> Iterator[Step]:
    if writer.put is not None:
        yield from landing(rules, world, number, writer, writer.put)
    if writer.knows is not None and (writer.put is None or not rules.request_within_lease):
        yield "its lease ends", world.with_writer(number, replace(writer, knows=None, read=None))
    if writer.put is not None or not writer.bits:
        return
    if writer.knows is None:
        if world.mirror is not None:
            yield "asks for the master", world.with_writer(number, replace(writer, knows=world.mirror))
        return
    if writer.knows == "rds":
        if world.guard:
            yield "refused by RDS", world.with_writer(number, replace(writer, knows=None))
        else:
            row = Row(world.row.value | writer.bits[0], world.row.version + 1, world.row.delivered)
            yield "commits in RDS", replace(world, row=row).with_writer(number, replace(writer, bits=writer.bits[1:]))
    elif writer.read is None:
        yield "reads the item", world.with_writer(number, replace(writer, read=world.item))
    else:
        version = writer.read.version + (1 if rules.next_version else 0)
        put = Put(Item(writer.read.value | writer.bits[0], version), writer.read.version)
        yield "sends the item", world.with_writer(number, replace(writer, read=None, put=put))


def landing(rules: Rules, world: World, number: int, writer: Writer, put: Put) -> Iterator[Step]:
    if world.item.version == put.over or not rules.conditional_on_old:
        done = replace(writer, put=None, bits=writer.bits[1:])
        yield "its item is written", world.with_item(put.item).with_writer(number, done)
    else:
        yield "its item is refused", world.with_writer(number, replace(writer, put=None))


def relay_steps(rules: Rules, world: World) -> Iterator[Step]:
    if world.relay is None:
        if world.row.delivered < world.row.version and (world.master == "rds" or not rules.relay_leaves_group):
            yield "relay: reads the row", replace(world, relay=world.row)
        return
    read = world.relay
    delivered = replace(world, relay=None, row=replace(world.row, delivered=max(world.row.delivered, read.version)))
    if world.item.version < read.version:
        yield "relay: puts the row's item", delivered.with_item(Item(read.value, read.version))
    elif world.item.version > read.version or world.item.value == read.value:
        yield "relay: superseded, or there already", delivered


def conflict(world: World) -> bool:
    """What the relay must not find: its own version with other content."""
    read = world.relay
    return read is not None and world.item.version == read.version and world.item.value != read.value


def reverse_steps(rules: Rules, world: World) -> Iterator[Step]:
    if world.applied < len(world.stream):
        state = world.stream[world.applied]
        yield "reverse relay: applies", replace(apply(rules, world, state), applied=world.applied + 1)
    if world.repeats:
        for state in world.stream[: world.applied]:
            yield "reverse relay: applies again", replace(apply(rules, world, state), repeats=world.repeats - 1)


def apply(rules: Rules, world: World, state: Item) -> World:
    if state.version <= world.row.version and rules.newer_wins_back:
        return world
    version = state.version + (0 if rules.marked_delivered else 1)  # its own write is captured as anybody's
    return replace(world, row=Row(state.value, version, state.version))


def switch_steps(rules: Rules, world: World) -> Iterator[Step]:
    """One step of the switch under way; killed anywhere and run again, it goes on where it was."""
    direction = world.switches[0]
    order = forward_steps(rules) if direction == "forward" else back_steps(rules)
    following = order[world.at](rules, world)
    if following is None:
        return
    at = world.at + 1
    done = at == len(order)
    switches = world.switches[1:] if done else world.switches
    yield (
        f"switch {direction}: {order[world.at].__name__.replace('_', ' ')}",
        replace(following, at=0 if done else at, switches=switches),
    )


SwitchStep = Callable[[Rules, World], World | None]
"""None where it has to wait."""


def forward_steps(rules: Rules) -> list[SwitchStep]:
    last = [dynamodb_is_master, applications_are_told]
    return [applications_wait, guarded, *(last if rules.mirror_last else last[::-1])]


def back_steps(rules: Rules) -> list[SwitchStep]:
    last = [rds_is_master, unguarded]
    return [applications_wait, nobody_writes, *(last if rules.guard_until_phase else last[::-1]), applications_are_told]


def applications_wait(rules: Rules, world: World) -> World | None:
    return replace(world, mirror=None)


def guarded(rules: Rules, world: World) -> World | None:
    return replace(world, guard=rules.guard)


def dynamodb_is_master(rules: Rules, world: World) -> World | None:
    if rules.drained_forward and (world.row.delivered < world.row.version or world.relay is not None):
        return None
    return replace(world, master="dynamodb")


def applications_are_told(rules: Rules, world: World) -> World | None:
    return replace(world, mirror="dynamodb" if world.switches[0] == "forward" else "rds")


def nobody_writes(rules: Rules, world: World) -> World | None:
    """The leases are waited for: after them nobody sends."""
    knows = any(writer.knows == "dynamodb" for writer in world.writers)
    return None if knows and rules.leases_ended else world


def rds_is_master(rules: Rules, world: World) -> World | None:
    if rules.drained_back and world.applied < len(world.stream):
        return None
    return replace(world, master="rds")


def unguarded(rules: Rules, world: World) -> World | None:
    return replace(world, guard=False)


def wrong_at_rest(world: World, all_bits: int) -> str | None:
    row, item = world.row, world.item
    if any(writer.bits for writer in world.writers) or world.switches:
        return "nobody can go on"
    if row.value != all_bits or item.value != all_bits:
        return f"a write is lost: RDS has {row.value:b}, DynamoDB {item.value:b} of {all_bits:b}"
    if not row.version == row.delivered == item.version:
        return f"not at rest: RDS is at {row.version}, {row.delivered} of it delivered, DynamoDB at {item.version}"
    return None
