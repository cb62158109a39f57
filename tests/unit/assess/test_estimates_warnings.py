"""What is to be watched of a mapping, from sizes and counts that were set by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.assess.design import Answer, DesignWarning, WarningKind
from pipelines.assess.estimates.lossy import lossy_types
from pipelines.assess.estimates.measured import Measured
from pipelines.assess.estimates.warnings import size_warnings
from pipelines.assess.evidence import Collation, Evidence, Growth
from pipelines.assess.observed import Observed
from pipelines.assess.schema import Schema
from pipelines.items.reject import RejectReason
from pipelines.items.source_type import Kind, SourceType
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.load import parse_mapping
from tests.assess_evidence import AT, Known, evidence_of, patterns_of, ref
from tests.measured_shop import CUSTOMER, EVIDENCE, measured_shop

pytestmark = pytest.mark.unit


def warnings(
    kind: WarningKind, measured: Measured | None = None, evidence: Evidence = EVIDENCE, *statements: Observed
) -> list[DesignWarning]:
    patterns = patterns_of(evidence, *statements)
    answers = tuple(Answer(pattern=one.id, is_served=False, reads=(), reason="") for one in patterns.patterns)
    found = size_warnings(measured or measured_shop(), Schema(evidence), patterns, answers)
    return [one for one in found if one.kind is kind]


@pytest.mark.parametrize(("largest", "told"), [(204_793, 0), (204_794, 1)])
def test_an_item_of_half_of_400_kb(largest: int, told: int) -> None:
    found = warnings(WarningKind.ITEM_SIZE, measured_shop(customer=replace(CUSTOMER, max_bytes=largest)))
    assert len(found) == told
    assert all(one.evidence["max_bytes"] == largest and one.about == "customer" for one in found)


def test_items_that_are_too_large() -> None:
    (found,) = warnings(WarningKind.ITEM_SIZE, measured_shop(rejects={RejectReason.ITEM_TOO_LARGE: 3}))
    assert "3 of 1,000 sampled items are over 400 KB" in found.text
    assert warnings(WarningKind.REJECTS, measured_shop(rejects={RejectReason.ITEM_TOO_LARGE: 3})) == []


def test_rejects_by_reason() -> None:
    rejects = {RejectReason.NOT_A_NUMBER: 2, RejectReason.INVALID_TEXT: 5}
    found = warnings(WarningKind.REJECTS, measured_shop(rejects=rejects))
    assert [(one.about, one.evidence) for one in found] == [
        ("customer", {"rejected": 5, "sampled": 1_000}),
        ("customer", {"rejected": 2, "sampled": 1_000}),
    ]


def test_a_list_without_a_limit_whose_parents_have_many_rows() -> None:
    """A row of notes is id, customer_id and body, 8 bytes each by the statistics, and 17 of names: 41, and 7 around
    them; 400 KB less the version's 13 bytes hold 8,533 of these 48, half of it 4,266."""
    for most, kind, told in (
        (4_266, WarningKind.UNBOUNDED_LIST, 0),
        (4_267, WarningKind.UNBOUNDED_LIST, 1),
        (8_533, WarningKind.ITEM_SIZE, 0),
        (8_534, WarningKind.ITEM_SIZE, 1),
    ):
        found = warnings(kind, measured_shop(notes_most=most))
        assert [one.about for one in found] == ["customer.notes"] * told, most


def test_a_list_that_grows() -> None:
    assert warnings(WarningKind.UNBOUNDED_LIST) == []
    grown = Growth(since=AT, days=2.0, rows=70, bytes=0)
    tables = tuple(
        one.model_copy(update={"growth": grown}) if one.ref == ref("notes") else one for one in EVIDENCE.tables
    )
    (found,) = warnings(WarningKind.UNBOUNDED_LIST, None, EVIDENCE.model_copy(update={"tables": tables}))
    assert "notes grows: 70 rows in 2.0 days" in found.text


def test_a_parent_that_is_in_many_items() -> None:
    """200 orders at the most, 2 write units each; 10 on average."""
    (found,) = warnings(WarningKind.FAN_OUT)
    assert found.about == "order.customer"
    assert (found.evidence["items_most"], found.evidence["items_mean"]) == (200, 10)
    assert found.evidence["write_units_most"] == 400


def test_a_partition_key_that_never_differs() -> None:
    (found,) = warnings(WarningKind.HOT_PARTITION)
    assert (found.about, found.evidence["items"]) == ("order/by_status", 10_000)


def test_a_common_value_is_hot_where_enough_is_written() -> None:
    """5 % of orders are one customer's: 10,001 updates a second of 2 units are 1,000.1 in its partition."""
    for calls, hot in ((1_000_000, False), (1_000_100, True)):
        update = Observed("UPDATE orders SET status = 'x' WHERE id = 1", "a:1", calls=calls)
        found = warnings(WarningKind.HOT_PARTITION, None, EVIDENCE, update)
        assert ("order" in [one.about for one in found]) is hot


def test_types_that_lose_something() -> None:
    types = {
        "id": SourceType(name="bigint", kind=Kind.INTEGER),
        "ratio": SourceType(name="real", kind=Kind.FLOAT4),
        "price": SourceType(name="numeric(12,2)", kind=Kind.NUMERIC, precision=12, scale=2),
        "cost": SourceType(name="numeric", kind=Kind.NUMERIC),
        "code": SourceType(name="character(4)", kind=Kind.CHAR),
        "at": SourceType(name="date", kind=Kind.DATE),
        "until": SourceType(name="date", kind=Kind.DATE),
        "name": SourceType(name="text", kind=Kind.TEXT),
        "place": SourceType(name="vector", kind=Kind.OTHER, known=False),
    }
    mapping = parse_mapping(
        """
migration: things
target: {tables: {things: {partition_key: {name: pk, type: S}, sort_key: {name: sk, type: S}}}}
items:
  thing:
    {table: things, from: things, key: {pk: "T#{id}", sk: "{name}"}, exclude: [place, name], types: {until: text}}
""",
        "things.yaml",
    )
    english = {"name": Collation(name="en_US.UTF-8")}
    evidence = evidence_of(Known("things", " ".join(types), "id", types=types, collations=english))
    plan = compile_mapping(mapping, evidence.catalog)
    found = {one.text.rpartition(": ")[2]: one.text for one in lossy_types(plan, Schema(evidence))}
    assert set(found) == {"thing.ratio", "thing.cost", "thing.code", "thing.at", "thing.name", "thing.place"}
    assert "UTF-8 bytes" in found["thing.name"]
    by_bytes = evidence_of(Known("things", " ".join(types), "id", types=types))
    assert "thing.name" not in " ".join(one.text for one in lossy_types(plan, Schema(by_bytes)))
    assert "needs a word" in found["thing.place"]
