"""All that the page of an assessment shows, gathered. Pure: from evidence, patterns and design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expectations.assessment.collections_picture import CollectionsPicture, collection_pictures
from expectations.assessment.comparison import ComparedRow, compared
from expectations.assessment.er_graph import chosen
from expectations.assessment.er_picture import ErPicture, er_picture, key_words
from expectations.assessment.figures import share
from expectations.assessment.item_types import ShownType, item_types, other_choices
from expectations.assessment.overview import ShownClass, ShownTable, Totals, shown_classes, shown_tables, totals
from expectations.assessment.shown_patterns import MOST, Served, ShownPattern, served, shown_patterns
from expectations.assessment.shown_warnings import WarningGroup, warning_groups
from expectations.assessment.table_names import roles, shown_name
from expectations.words import counted
from pipelines.assess.design import Choice, Design, Judged
from pipelines.assess.evidence import Evidence
from pipelines.assess.judged import DRAFT
from pipelines.assess.patterns import Patterns
from pipelines.mapping.load import parse_mapping
from pipelines.mapping.model import Mapping


@dataclass(frozen=True)
class ShownMapping:
    judged: Judged
    title: str
    served: Served
    types: tuple[ShownType, ...]
    other_choices: tuple[Choice, ...]
    pictures: tuple[CollectionsPicture, ...]


@dataclass(frozen=True)
class Relations:
    """The picture of the database, and the same in words. `said`: which tables, where not all."""

    picture: ErPicture
    keys: tuple[tuple[str, str], ...]
    alone: tuple[str, ...]
    said: str


@dataclass(frozen=True)
class View:
    """`patterns`: the heaviest, `more_patterns` beside them; `unserved`: reads that a mapping, or by itself no key,
    answers, the heaviest first."""

    evidence: Evidence
    all_patterns: Patterns
    headline: str
    subline: str
    colour: str
    notes: tuple[str, ...]
    warnings: tuple[WarningGroup, ...]
    unserved: tuple[ShownPattern, ...]
    more_unserved: int
    totals: Totals
    classes: tuple[ShownClass, ...]
    tables: tuple[ShownTable, ...]
    relations: Relations
    mappings: tuple[ShownMapping, ...]
    compared: tuple[ComparedRow, ...]
    patterns: tuple[ShownPattern, ...]
    more_patterns: int
    has_design: bool

    @property
    def differing(self) -> tuple[ShownPattern, ...]:
        return tuple(one for one in self.patterns if one.differs)


def view_of(evidence: Evidence, patterns: Patterns, design: Design | None) -> View:
    """Raises MappingError where a mapping of the design is none."""
    judged = design.mappings if design is not None else ()
    files = [parse_mapping(one.mapping, one.file) for one in judged]
    first = files[0] if files else None
    all_shown = shown_patterns(patterns, judged)
    unserved = [one for one in all_shown if one.is_read and not one.is_served]
    warnings = warning_groups(judged, {one.pattern.id for one in all_shown[:MOST]})
    answered = served(patterns, judged[0] if judged else None)
    return View(
        evidence=evidence,
        all_patterns=patterns,
        headline=_headline(patterns, judged, answered),
        subline=_subline(answered, warnings, judged),
        colour=_colour(patterns, answered, warnings, judged),
        notes=_notes(evidence, design),
        warnings=warnings,
        unserved=tuple(unserved[:MOST]),
        more_unserved=max(len(unserved) - MOST, 0),
        totals=totals(evidence, patterns),
        classes=shown_classes(patterns),
        tables=shown_tables(evidence, patterns, roles(first)),
        relations=_relations(evidence, patterns, first),
        mappings=tuple(_mapping(evidence, patterns, file, one) for file, one in zip(files, judged, strict=True)),
        compared=compared(patterns, list(zip(files, judged, strict=True))) if len(judged) > 1 else (),
        patterns=all_shown[:MOST],
        more_patterns=max(len(all_shown) - MOST, 0),
        has_design=design is not None,
    )


def title_of(name: str) -> str:
    return "The draft" if name == DRAFT else name


def _mapping(evidence: Evidence, patterns: Patterns, file: Mapping, judged: Judged) -> ShownMapping:
    return ShownMapping(
        judged=judged,
        title=title_of(judged.name),
        served=served(patterns, judged),
        types=item_types(file, judged, evidence.catalog),
        other_choices=other_choices(file, judged),
        pictures=collection_pictures(file, judged, evidence.catalog),
    )


def _relations(evidence: Evidence, patterns: Patterns, first: Mapping | None) -> Relations:
    shown = chosen(evidence, patterns)
    keys = [(key_words(evidence, key), key.on_delete) for key in shown.keys]
    return Relations(
        er_picture(evidence, shown, roles(first)),
        tuple(sorted(keys)),
        tuple(shown_name(ref, evidence) for ref in shown.alone),
        shown.said,
    )


def _headline(patterns: Patterns, judged: Sequence[Judged], answered: Served) -> str:
    if not patterns.statements:
        return "No statement is known, so that access patterns are missing"
    if not answered.reads:
        return "Nothing is read"
    who = title_of(judged[0].name) if judged else "By itself a key"
    return f"{who} answers {answered.served:,} of {answered.reads:,} read patterns"


def _subline(answered: Served, warnings: Sequence[WarningGroup], judged: Sequence[Judged]) -> str:
    load = share(answered.load) if answered.load is not None else ""
    said = [f"{load[:1].upper()}{load[1:]} of the reads' load."] if load else []
    if judged:
        stops = sum(group.count for group in warnings if group.words.stops)
        others = sum(group.count for group in warnings) - stops
        said.append(f"{counted(stops, 'warning')} to be dealt with before a migration, {others:,} of other kinds.")
    else:
        said.append("No mapping has been judged: what follows is of each statement by itself.")
    return " ".join(said)


def _colour(patterns: Patterns, answered: Served, warnings: Sequence[WarningGroup], judged: Sequence[Judged]) -> str:
    if not judged or not patterns.statements:
        return "plain"
    is_whole = answered.served == answered.reads and not any(group.words.stops for group in warnings)
    return "good" if is_whole else "note"


def _notes(evidence: Evidence, design: Design | None) -> tuple[str, ...]:
    notes = [*evidence.notes, *evidence.statements.notes]
    if design is not None:
        notes += design.notes
        notes += [note for one in design.mappings if one.estimates is not None for note in one.estimates.notes]
    return tuple(dict.fromkeys(notes))
