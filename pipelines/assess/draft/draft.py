"""A mapping that compiles, from evidence and patterns."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pipelines.assess.answers.matching import Asked
from pipelines.assess.design import Choice, DesignWarning, WarningKind
from pipelines.assess.draft.asked import Load, Want, load_of
from pipelines.assess.draft.embeds import Embedding, Node, embedding
from pipelines.assess.draft.keys import keys_of
from pipelines.assess.draft.places import key_names, plain, tags, unused
from pipelines.assess.draft.shape import DraftItem, DraftShape, index_name
from pipelines.assess.draft.text import mapping_text
from pipelines.assess.evidence import Evidence
from pipelines.assess.patterns import Patterns
from pipelines.assess.schema import Facts, Schema
from pipelines.errors import MappingError
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from pipelines.mapping.model import Mapping
from pipelines.mapping.origin import Path

FILE = "draft.yaml"

_ROUNDS = 40
"""Of compiling and leaving out what does not; each leaves something out."""

_INDEX = re.compile(r"gsi\d+")


@dataclass
class Draft:
    """`mapping` is None where no table can be an item type."""

    text: str
    mapping: Mapping | None
    choices: tuple[Choice, ...]
    warnings: tuple[DesignWarning, ...]


@dataclass
class _Work:
    shape: DraftShape
    choices: list[Choice]
    warnings: list[DesignWarning] = field(default_factory=list)


def draft(evidence: Evidence, patterns: Patterns, schema: Schema, migration: str) -> Draft:
    """`migration`: its name."""
    load = load_of(patterns.patterns)
    at_home: frozenset[str] = frozenset()
    while True:
        embedded = embedding(load, schema, at_home)
        found, items = _compiled(evidence, _work(evidence, schema, load, embedded, migration))
        homeless = {child for child, parent in embedded.whole.items() if not _is_held(child, parent, items)}
        if not homeless:
            return found
        at_home |= homeless  # the parent, or its list of them, could not be said, or lives in another itself


def _is_held(child: str, parent: str, items: Iterable[DraftItem]) -> bool:
    nodes = [node for item in items if item.facts.name == parent for node in item.nodes]
    return any(node.facts.name == child and node.columns is None for node in nodes)


def _compiled(evidence: Evidence, work: _Work) -> tuple[Draft, list[DraftItem]]:
    """With what the compiler refuses left out."""
    head = [
        f"A draft by `crossover assess` for {evidence.source}. It is made anew by every run: copy it before you edit.",
        "Each comment names a rule of docs/assess.md and says why.",
    ]
    for _ in range(_ROUNDS):
        if not work.shape.items:
            return Draft("", None, tuple(work.choices), tuple(work.warnings)), []
        text = mapping_text(work.shape, work.choices, head)
        try:
            mapping = parse_mapping(text, FILE)
            compile_mapping(mapping, evidence.catalog)
        except MappingError as error:
            _leave_out(work, error)
            continue
        return Draft(text, mapping, tuple(work.choices), tuple(work.warnings)), work.shape.items
    raise AssertionError("each round leaves something out")


def _work(evidence: Evidence, schema: Schema, load: Load, embedded: Embedding, migration: str) -> _Work:
    partition_key, sort_key = key_names(schema, ("pk", "sk"))
    shape = DraftShape(
        migration=migration,
        schema=evidence.schemas[0],
        table=migration if len(migration) > 2 else f"{migration}_table",
        partition_key=partition_key,
        sort_key=sort_key,
        items=[],
    )
    work = _Work(shape, [_one_table(shape.table)])
    named = tags(schema)
    for facts in schema.tables:
        if facts.name in embedded.whole:
            continue
        keys = keys_of(facts, _wants(facts, load, embedded), schema, named)
        if keys is None:
            work.warnings.append(_no_item(facts))
            continue
        work.choices += keys.choices
        name = unused(plain(facts.ref.table), {item.name for item in shape.items})
        item = DraftItem(name, facts, keys.base, list(embedded.nodes.get(facts.name, ())))
        shape.place(item, keys.indexes)
        shape.items.append(item)
    work.choices += embedded.choices
    work.warnings += [
        DesignWarning(
            kind=WarningKind.INDEXES,
            about=name,
            text=f"no index is left of the {len(shape.slots)} that a table can have for {keys.partition}",
        )
        for name, keys in shape.crowded_out
    ]
    return work


def _wants(facts: Facts, load: Load, embedded: Embedding) -> list[Want]:
    """Also those of reads that follow another's items."""
    found = list(load.wants.get(facts.name, ()))
    weights: dict[frozenset[str], float] = defaultdict(float)
    for join, weight in (*((one.joins[-1], one.weight) for one in embedded.apart), *load.follows):
        if join.table == facts.name:
            weights[frozenset(join.columns)] += weight
    return found + [Want(Asked(keys, batch=True), weight) for keys, weight in weights.items()]


def _one_table(name: str) -> Choice:
    return Choice(
        about=f"table {name}",
        rule="one table",
        reason="rows that are read together can lie in one partition, and item types share its indexes",
        turned_down=("a DynamoDB table for each table: no Query over two of them, and twenty indexes for each",),
    )


def _no_item(facts: Facts) -> DesignWarning:
    if facts.identity:
        names = ", ".join(facts.identity)
        return DesignWarning(
            kind=WarningKind.NAME,
            about=facts.name,
            text=f"left out: a template cannot say a column of its key ({names}); rename it, or read it from a view",
        )
    return DesignWarning(
        kind=WarningKind.NO_ITEM,
        about=facts.name,
        text="left out: it has no primary key and no unique one without NULLs that would tell its rows apart; add one",
    )


def _leave_out(work: _Work, error: MappingError) -> None:
    """What the compiler names; the item type where it names nothing smaller. Raises the error where it names none."""
    done: set[tuple[str, ...]] = set()
    for path, problem in zip(error.paths, error.problems, strict=True):
        item = next((one for one in work.shape.items if path[:2] == ("items", one.name)), None)
        if item is None and not any(path[:2] == one for one in done):
            raise error
        part = _part(path)
        if item is None or any(part[: len(one)] == one for one in done):
            continue
        done.add(part)
        embeds = part[3::2]
        if embeds:
            item.nodes = _without(item.nodes, embeds)
        elif len(part) > 2:
            item.places = {slot: keys for slot, keys in item.places.items() if index_name(slot) != part[2]}
        else:
            work.shape.items.remove(item)
        work.warnings.append(
            DesignWarning(
                kind=WarningKind.NO_ITEM if len(part) == 2 else WarningKind.UNSERVED,
                about=".".join((item.facts.name, *embeds)),
                text=f"left out of the draft: {problem.rpartition(': ')[2]}",
            )
        )


def _part(path: Path) -> tuple[str, ...]:
    """`items`, the item type, and then the embeds around the problem, or the index whose key it is."""
    names = tuple(str(one) for one in path)
    embeds = [n for n in range(2, len(names) - 1, 2) if names[2 : n + 1 : 2] == ("embed",) * ((n - 2) // 2 + 1)]
    if embeds:
        return names[: embeds[-1] + 2]
    if len(names) > 3 and names[2] == "set" and (index := _INDEX.match(names[3])) is not None:
        return (*names[:2], index[0])
    return names[:2]


def _without(nodes: Iterable[Node], path: Sequence[str]) -> list[Node]:
    return [
        replace(node, below=_without(node.below, path[1:])) if node.name == path[0] else node
        for node in nodes
        if node.name != path[0] or len(path) > 1
    ]
