"""A query's class if one of its tables is the item that answers it: the anchor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from pipelines.assess.classify.access import PAGE_BYTES, Access, Way, access
from pipelines.assess.classify.embedding import Route, embed_of, routes, said
from pipelines.assess.classify.graph import Graph
from pipelines.assess.classify.verdict import RANK, Verdict, not_for_dynamodb
from pipelines.assess.patterns import Alternative, Embed, PatternClass
from pipelines.assess.schema import Facts, Schema
from pipelines.assess.statements.reading import Beyond, Hurdle, Reading, Role, Source, Spot, Test

_HARD = frozenset(
    {Beyond.SEARCH, Beyond.PATTERN_UNKNOWN, Beyond.FUNCTION, Beyond.JSON, Beyond.OR, Beyond.QUERY, Beyond.OTHER}
)


@dataclass(frozen=True)
class Question:
    """One connected part of a query: what is asked of its tables. `taken`: the OR of which it follows one branch."""

    schema: Schema
    reading: Reading
    graph: Graph
    taken: list[list[Test]] | None = None

    def best(self) -> Verdict:
        """Of all tables that could be the anchor; the first that FROM names, where two are equal."""
        candidates = [one for one in self.graph.sources if one.role is Role.MAIN] or list(self.graph.sources)
        return min((self._verdict(one) for one in candidates), key=lambda one: RANK[one.pattern])

    def _verdict(self, anchor: Source) -> Verdict:
        found = self._access(anchor)
        base = self._found(anchor, found)
        if base.pattern is PatternClass.NOT_FOR_DYNAMODB:
            return base
        ways = routes(self.graph, anchor)
        base = replace(
            base, filters=tuple(dict.fromkeys((*base.filters, *self._further(anchor)))), order=self._order(anchor)
        )
        if anchor.semi and any(not one.semi for one in self.graph.sources):
            base = replace(base, once=True)
        return self._with_routes(anchor, found, base, ways)

    def _access(self, anchor: Source) -> Access:
        leading = takewhile(lambda spot: spot is not None and spot.source is anchor, self.reading.order)
        order = [spot.column for spot in leading if spot is not None]
        joins = [tie.edge.child_columns for tie in self.graph.ties if tie.many is anchor and not tie.edge.declared]
        return access(anchor.facts, self.schema, self.graph.tests[anchor], order, joins)

    def _found(self, anchor: Source, found: Access) -> Verdict:
        """By the anchor's own tests."""
        name = anchor.facts.name
        hard = next((one.beyond for one in self._hurdles() if one.beyond in _HARD), None)
        if hard is not None and found.way >= Way.SPREAD:
            return _ad_hoc(name, hard)
        if found.way is Way.SPREAD and not found.within_range and _is_small(anchor.facts):
            return self._whole(anchor)  # an order over so few rows is the reader's to make
        made = Verdict(
            PatternClass.NEEDS_GSI,
            "",
            name,
            keys=found.columns,
            sort=found.sort,
            ranged=found.within_range,
            prefixed=found.prefixed,
            batch=found.batch,
            sparse=found.way is Way.SPARSE,
            filters=found.filters,
        )
        columns = ", ".join(found.columns) + (", a Query for each of a list" if found.batch else "")
        note = f" ({found.note})" if found.note else ""
        match found.way:
            case Way.KEY:
                how = "BatchGetItem" if found.batch else "GetItem"
                reason = f"{how} of {name} by its key ({', '.join(found.columns)})"
                return replace(made, pattern=PatternClass.POINT_READ, reason=reason)
            case Way.PARTITION if found.within_range:
                reason = f"Query of {name} by {columns}{note} within a range of {found.sort}"
                return replace(made, pattern=PatternClass.RANGE_READ, reason=reason)
            case Way.PARTITION:
                sort = f", sorted by {found.sort}" if found.sort else ""
                reason = f"Query of {name} by {columns}{note}{sort}"
                return replace(made, pattern=PatternClass.PARTITION_READ, reason=reason)
            case Way.UNIQUE:
                return replace(made, reason=f"index of {name} by its unique key ({columns})")
            case Way.COLUMN:
                sort = f", sorted by {found.sort}" if found.sort else ""
                return replace(made, reason=f"index of {name} by {columns}{note}{sort}")
            case Way.SPREAD:
                what = "a range" if found.within_range else "an order"
                reason = f"index of {name} sorted by {found.sort}, its partition key sharded: {what} over all rows"
                return replace(made, reason=reason)
            case Way.SPARSE:
                return replace(made, reason=f"sparse index of {name}: an attribute kept for what is asked of {columns}")
        return self._whole(anchor)

    def _whole(self, anchor: Source) -> Verdict:
        """Nothing tells its rows from each other."""
        facts = anchor.facts
        if self._tested():
            return not_for_dynamodb(f"no test on {facts.name} that a key answers", Alternative.KEEP_IN_RDS, facts.name)
        if self.reading.limit and not self.reading.order:
            return not_for_dynamodb(f"any rows of {facts.name}, by no key", Alternative.KEEP_IN_RDS, facts.name)
        if _is_small(facts):
            reason = f"Query of all {facts.rows:,} rows of {facts.name}: they fit in one partition's page of 1 MB"
            return Verdict(PatternClass.PARTITION_READ, reason, facts.name)
        return not_for_dynamodb(
            f"all rows of {facts.name} are read: a scan of the table", Alternative.STREAM_OUT, facts.name
        )

    def _tested(self) -> bool:
        return bool(self._hurdles()) or any(self.graph.tests[one] for one in self.graph.sources)

    def _with_routes(self, anchor: Source, found: Access, base: Verdict, ways: dict[Source, Route]) -> Verdict:
        down = next((route for route in ways.values() if any(step.down for step in route.steps)), None)
        if found.way is Way.NONE and down is not None:
            last = down.steps[-1].to.facts.name
            reason = f"all rows of {anchor.facts.name} are read, each with those of {last}"
            return not_for_dynamodb(reason, Alternative.KEEP_IN_RDS, anchor.facts.name)
        others = sorted(ways, key=lambda source: len(ways[source].steps))
        unreached = next((join for join in self.graph.value_joins if {join.left, join.right} - {anchor, *ways}), None)
        if unreached is not None:
            return _denormalise(base, f"join {unreached.on} is by the key of neither table")
        embeds = tuple(embed_of(anchor, ways[source], self._asked(source)) for source in others)
        tested = tuple(
            f"{one.facts.name}.{test.spot.column}"
            for one in others
            for test in self.graph.tests[one]
            if test.spot.column not in _joined(ways[one])
        )
        base = replace(base, embeds=embeds, filters=(*base.filters, *dict.fromkeys(tested)))
        problem = self._problem(anchor, found, ways, embeds, tested)
        if problem:
            return _denormalise(base, problem)
        return _joined_reason(base, embeds, ways)

    def _problem(
        self, anchor: Source, found: Access, ways: dict[Source, Route], embeds: Sequence[Embed], tested: Sequence[str]
    ) -> str:
        """Why holding the joined rows in the item does not do; empty where it does."""
        name = anchor.facts.name
        aside = next((route for route in ways.values() if route.sideways), None)
        if aside is not None:
            last = aside.steps[-1]
            return (
                f"{last.to.facts.name} (join {said(last.tie.edge)}) is a sibling: {name} would have to carry its rows"
            )
        if found.way < Way.COLUMN:
            return ""
        if tested:
            return f"{tested[0]} is tested beside {name}: it would have to be copied to where the rows are found"
        large = next((embed for embed in embeds if embed.form == "items"), None)
        if large is not None:
            return f"{large.path[-1]} (join {large.on}) does not fit into {name}, which an index finds"
        elsewhere = next((spot for spot in self.reading.order if spot is not None and spot.source is not anchor), None)
        if elsewhere is not None and self.reading.limit and elsewhere.source in ways:
            return f"LIMIT by {elsewhere}: it would have to be copied to where the rows are found"
        return ""

    def _asked(self, source: Source) -> tuple[str, ...] | None:
        """Its columns that the statement uses, None for all."""
        if source.whole:
            return None
        tested = {test.spot.column for test in self.graph.tests[source]}
        return tuple(
            sorted({*source.used, *tested, *(spot.column for spot in self._unanswered() if spot.source is source)})
        )

    def _further(self, anchor: Source) -> Iterator[str]:
        """Filters beside the tests: of what no key answers, and of a partition."""
        for source in self.graph.sources:
            if source.part:
                yield source.part if source is anchor else f"{source.facts.name} in {source.part}"
        yield from (_said(spot, anchor) for spot in self._unanswered())

    def _unanswered(self) -> list[Spot]:
        """Columns of tests that find nothing: of hurdles, and of every OR that the read does not follow."""
        here = set(self.graph.sources)
        spots = [spot for one in self.reading.hurdles for spot in one.spots]
        spots += [
            test.spot
            for choice in self.reading.alternatives
            if choice is not self.taken
            for group in choice
            for test in group
        ]
        return [spot for spot in spots if spot.source in here]

    def _order(self, anchor: Source) -> tuple[str, ...]:
        here = set(self.graph.sources)
        both = zip(self.reading.order, self.reading.falling, strict=True)
        return tuple(
            ("-" if falls else "") + (_said(spot, anchor) if spot is not None else "an expression")
            for spot, falls in both
            if spot is None or spot.source in here
        )

    def _hurdles(self) -> list[Hurdle]:
        here = set(self.graph.sources)
        return [one for one in self.reading.hurdles if here.intersection(one.sources)]


def _said(spot: Spot, anchor: Source) -> str:
    column = f"{spot.form}({spot.column})" if spot.form else spot.column
    return column if spot.source is anchor else f"{spot.source.facts.name}.{column}"


def _is_small(facts: Facts) -> bool:
    return facts.rows is not None and facts.evidence.bytes <= PAGE_BYTES


def _joined(route: Route) -> set[str]:
    """The far table's columns of the last join: a test of them is the near table's as well."""
    last = route.steps[-1]
    return set(last.tie.edge.child_columns if last.down else last.tie.edge.parent_columns)


def _joined_reason(base: Verdict, embeds: Sequence[Embed], ways: dict[Source, Route]) -> Verdict:
    """A point read whose rows are too many for one item is a read of the partition that holds them all."""
    undeclared = [route.steps[-1].tie.edge for route in ways.values() if not route.steps[-1].tie.edge.declared]
    parts = [f"{'.'.join(embed.path[1:])} as {embed.form}" for embed in embeds]
    reason = base.reason + (f", with {', '.join(dict.fromkeys(parts))}" if parts else "")
    reason += f" (join {said(undeclared[0])})" if undeclared else ""
    if base.pattern is PatternClass.POINT_READ and any(embed.form == "items" for embed in embeds):
        base = replace(base, pattern=PatternClass.PARTITION_READ)
        reason = reason.replace("GetItem", "Query", 1).replace("BatchQuery", "Query")
    return replace(base, reason=reason)


def _denormalise(base: Verdict, why: str) -> Verdict:
    return replace(base, pattern=PatternClass.NEEDS_DENORMALISATION, reason=why)


def _ad_hoc(name: str, beyond: Beyond) -> Verdict:
    search = beyond in (Beyond.SEARCH, Beyond.PATTERN_UNKNOWN)
    alternative = Alternative.STREAM_OUT if search else Alternative.KEEP_IN_RDS
    where = "stream it to a search index" if search else "ad-hoc filter"
    return not_for_dynamodb(f"{name} is filtered by {beyond.value}, which no key answers: {where}", alternative, name)
