"""From patterns to answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipelines.assess.answers.embedded import Holders, held
from pipelines.assess.answers.matching import Asked, Match, best_match
from pipelines.assess.answers.paths import Paths
from pipelines.assess.answers.texts import can_begin, unequal, unsorted
from pipelines.assess.design import Answer, Operation, Read
from pipelines.assess.patterns import Branch, Embed, Join, Pattern, PatternClass
from pipelines.assess.schema import Facts, Schema
from pipelines.mapping.model import Mapping

READS = frozenset(
    {PatternClass.POINT_READ, PatternClass.PARTITION_READ, PatternClass.RANGE_READ, PatternClass.NEEDS_GSI}
)
"""Classes that a mapping can answer."""


def answers(mapping: Mapping, schema: Schema, patterns: Iterable[Pattern]) -> tuple[Answer, ...]:
    """Of all patterns that touch a table of the schema, in their order."""
    answerer = _Answerer(mapping, schema, Paths(mapping), Holders(mapping, schema))
    return tuple(answer for one in patterns if (answer := answerer.answer(one)) is not None)


def reads_of(pattern: Pattern) -> tuple[Branch, ...]:
    """All that a pattern takes; of a write those that find its rows."""
    if pattern.pattern is PatternClass.WRITE:
        return tuple(write.finds for write in pattern.writes if write.finds is not None)
    if pattern.pattern not in READS:
        return ()
    return pattern.branches or (Branch(**{name: getattr(pattern, name) for name in Branch.model_fields}),)


@dataclass
class _Found:
    reads: list[Read] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Answerer:
    mapping: Mapping
    schema: Schema
    paths: Paths
    holders: Holders

    def answer(self, pattern: Pattern) -> Answer | None:
        if pattern.pattern in (PatternClass.OUTSIDE, PatternClass.UNREADABLE):
            return None
        if pattern.pattern in (PatternClass.NOT_FOR_DYNAMODB, PatternClass.NEEDS_DENORMALISATION):
            return Answer(pattern=pattern.id, is_served=False, reads=(), reason=pattern.reason)
        found = _Found()
        branches = reads_of(pattern)
        for branch in branches:
            self._serve(branch, found)
        if len(branches) > 1:
            found.left += [_order(branch, self.schema.named(branch.table)) for branch in branches if branch.order]
        if pattern.once:
            found.left.insert(0, "each row once")
        if found.missing:
            return Answer(pattern=pattern.id, is_served=False, reads=(), reason="; ".join(found.missing))
        return Answer(
            pattern=pattern.id,
            is_served=True,
            reads=tuple(found.reads),
            reason="; then ".join(_said(read) for read in found.reads) or pattern.reason,
            left=tuple(dict.fromkeys(found.left)),
        )

    def _serve(self, branch: Branch, found: _Found) -> None:
        facts = self.schema.named(branch.table)
        asked = Asked.of(branch)
        if branch.pattern not in READS:
            found.missing.append(f"{facts.name} has no key for it")
            return
        if branch.sparse:
            column = branch.keys[0]
            found.missing.append(
                f"{facts.name} has no attribute for {column} being NULL or not: add a generated column that is set for "
                "those rows alone, and an index by it"
            )
            return
        match = best_match(self.paths.of(facts), facts, asked)
        if match is None and self._serve_held(facts, branch, asked, found):
            return
        if match is None:
            whys = [*unequal(facts, branch.keys), *_unsorted(facts, branch)]
            found.missing.append(": ".join([f"no key of the mapping finds {facts.name} by {_named(branch)}", *whys]))
            return
        first = len(found.reads)
        found.reads.append(match.read)
        found.left += _left(branch, match, facts)
        for embed in branch.embeds:
            self._serve_embed(match.read.item_type, first, embed, found)

    def _serve_held(self, facts: Facts, branch: Branch, asked: Asked, found: _Found) -> bool:
        """By the item that holds the rows in a list."""
        for holder, root in self.holders.of(facts):
            if not asked.keys.issuperset(holder.columns):
                continue
            paths = [one for one in self.paths.of(root) if one.item_type == holder.item_type]
            names = dict(zip(holder.others, holder.columns, strict=True))
            match = best_match(paths, root, Asked(frozenset(names), batch=asked.batch))
            if match is None or match.unused:
                continue
            first = len(found.reads)
            found.reads.append(match.read.model_copy(update={"fills": {key: names[key] for key in match.read.fills}}))
            rest = sorted((*(asked.keys - set(holder.columns)), *branch.filters))
            found.left.append(
                f"of the list {holder.attribute}" + (f", the elements by {', '.join(rest)}" if rest else "")
            )
            if asked.ranged:
                found.left.append(_told(f"range of {asked.sort}", facts, asked.sort))
            if branch.order:
                found.left.append(_order(branch, facts))
            elif asked.sort is not None and not asked.ranged:
                found.left.append(_told(f"order by {asked.sort}", facts, asked.sort))
            for embed in branch.embeds:
                self._follow(first, embed.joins, found, (holder.attribute,))
            return True
        return False

    def _serve_embed(self, item_type: str, first: int, embed: Embed, found: _Found) -> None:
        joins = embed.joins
        done, path = held(self.mapping, self.schema, self.mapping.items[item_type], joins, embed.columns)
        self._follow(first, joins[done:], found, path)

    def _follow(self, first: int, joins: Iterable[Join], found: _Found, path: Sequence[str] = ()) -> None:
        """Reads of their own, one after the other; the first takes its keys from what the items hold at `path`."""
        before, around = first, path
        for join in joins:
            facts = self.schema.named(join.table)
            names = dict(zip(join.columns, join.others, strict=True))
            match = best_match(self.paths.of(facts), facts, Asked(frozenset(names), batch=True))
            if match is None:
                found.missing.append(f"no key of the mapping finds {facts.name} by {', '.join(names)}")
                return
            update = {"fills": {key: ".".join((*around, names[key])) for key in match.read.fills}, "follows": before}
            around = ()
            if any(_is_same(read, match.read, update) for read in found.reads):
                before = next(n for n, read in enumerate(found.reads) if _is_same(read, match.read, update))
                continue
            before = len(found.reads)
            found.reads.append(match.read.model_copy(update=update))


def _is_same(read: Read, other: Read, update: dict[str, object]) -> bool:
    return read == other.model_copy(update=update)


def _left(branch: Branch, match: Match, facts: Facts) -> Iterator[str]:
    unused = sorted((*match.unused, *branch.filters))
    if unused:
        yield f"filter by {', '.join(dict.fromkeys(unused))}"
    if not match.in_range:
        yield _told(f"range of {branch.sort}", facts, branch.sort)
    if branch.order:
        if not _comes_in_order(branch, match):
            yield _order(branch, facts)
    elif match.in_range and not match.in_order:
        yield _told(f"order by {branch.sort}", facts, branch.sort)


def _unsorted(facts: Facts, branch: Branch) -> Iterator[str]:
    """Not so where LIKE 'x%' is asked for, which needs no order but that of bytes."""
    if branch.sort is not None and not (branch.prefixed and can_begin(facts, branch.sort)):
        yield from unsorted(facts, (branch.sort,))


def _told(what: str, facts: Facts, *names: str | None) -> str:
    """With the reason, where it is the collation of these columns."""
    whys = "; ".join(unsorted(facts, (name for name in names if name is not None)))
    return f"{what} ({whys})" if whys else what


def _order(branch: Branch, facts: Facts) -> str:
    names = (f"{name[1:]} DESC" if name.startswith("-") else name for name in branch.order)
    return _told(f"order by {', '.join(names)}", facts, *(name.removeprefix("-") for name in branch.order))


def _comes_in_order(branch: Branch, match: Match) -> bool:
    """One row, or a Query in the order of its sort key, forwards or backwards; several partitions are merged by it."""
    read = match.read
    if read.operation is Operation.GET:
        return not any(join.down for embed in branch.embeds for join in embed.joins)
    if read.operation is not Operation.QUERY or read.batch:
        return False
    equal = set(branch.keys) - match.unused
    order = [name for name in branch.order if name.removeprefix("-") not in equal]
    names = tuple(name.removeprefix("-") for name in order)
    return len({name.startswith("-") for name in order}) < 2 and names == read.sorted_by[: len(names)]


def _named(branch: Branch) -> str:
    sort = "" if branch.sort is None else f"{'a range' if branch.ranged else 'the order'} of {branch.sort}"
    return " and ".join([*([", ".join(branch.keys)] if branch.keys else []), *([sort] if sort else [])]) or "no column"


def _said(read: Read) -> str:
    """`Query of orders by gsi1pk = CUSTOMER#{customer_id}`."""
    name = read.operation.value
    index = f" in {read.index}" if read.index is not None else ""
    key = f"{read.partition_key} = {read.partition}"
    if read.operation is not Operation.QUERY:
        sort = f", {read.sort_key} = {read.sort}" if read.sort_key is not None else ""
        return f"{name} of {read.item_type}{index} by {key}{sort}"
    shards = f", in {read.shards} partitions" if read.shards > 1 else ""
    bounded = f", {read.sort_key} within a range of {read.range_on}" if read.range_on is not None else ""
    begins = any(one.isalnum() for one in read.sort_prefix) and not bounded
    prefix = f", {read.sort_key} beginning with {read.sort_prefix}" if begins else ""
    each = ", one for each of a list" if read.batch else ""
    return f"{name} of {read.item_type}{index} by {key}{bounded}{prefix}{shards}{each}"
