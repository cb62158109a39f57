"""The page of an assessment, taken apart: what it says, and that nothing of a database gets into it as markup."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
import yaml

from expectations.assessment.er_graph import MOST as MOST_TABLES
from expectations.assessment.page import assessment_page
from expectations.assessment.shown_patterns import MOST as MOST_PATTERNS
from pipelines.assess.design import Design, DesignWarning, WarningKind
from pipelines.assess.evidence import Evidence
from pipelines.assess.patterns import Patterns
from tests.assess_evidence import Known, evidence_of, patterns_of
from tests.assessed_shop import (
    BY_CUSTOMER,
    BY_KEY,
    COUNTED,
    DRAFT,
    EVIDENCE,
    ONE,
    PATTERNS,
    TWO,
    design_of,
    grown,
    pattern,
)
from tests.assessed_strange import NAMES, QUOTES, SCRIPT, circle, hostile, many
from tests.unit.expectations.tables import Tables

pytestmark = pytest.mark.unit

Assessed = tuple[Evidence, Patterns, Design | None]
EMPTY = evidence_of(Known("t", "id", rows=0))
CIRCLE = circle("a", "b", "c", "d")
MANY = many(500)
ASSESSED: dict[str, Assessed] = {
    "one": (EVIDENCE, PATTERNS, ONE),
    "two": (grown(EVIDENCE, 1_200, 30), PATTERNS, TWO),
    "undrafted": (EVIDENCE, PATTERNS, design_of()),
    "undesigned": (EVIDENCE, PATTERNS, None),
    "empty": (EMPTY, patterns_of(EMPTY), None),
    "circle": (CIRCLE, patterns_of(CIRCLE), None),
    "hostile": hostile(),
    "many": (*MANY, None),
}


@cache
def page_of(name: str) -> Tables:
    return Tables(assessment_page(*ASSESSED[name]))


@pytest.mark.parametrize("name", ASSESSED)
def test_the_page_is_well_formed_and_its_links_lead_somewhere(name: str) -> None:
    page = page_of(name)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [href for one in page.all("a") if (href := one["href"]) is not None]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    files = {link for link in links if not link.startswith("#")}
    assert files == {"evidence.json", "patterns.json"} | ({"design.json"} if ASSESSED[name][2] else set())


@pytest.mark.parametrize("name", ASSESSED)
def test_the_page_is_semantic(name: str) -> None:
    page = page_of(name)
    levels = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(one.get("scope") in {"row", "col"} for one in page.all("th"))
    drawings = [one for one in page.all("svg") if one.get("class") in {"er", "collections", "load"}]
    assert all(one["role"] == "img" and one["aria-label"] for one in drawings)
    regions = [one for _, one in page.tags if one.get("role") == "region"]
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in regions)
    assert page.all("html") == [{"lang": "en"}]


@pytest.mark.parametrize("name", ASSESSED)
def test_the_page_runs_and_loads_nothing(name: str) -> None:
    page = page_of(name)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "form", "image", "use", "style0"}
    assert not any(attribute.startswith("on") for _, attributes in page.tags for attribute in attributes)
    assert [one["href"] for one in page.all("link")] == ["data:,"]
    assert "url(" not in assessment_page(*ASSESSED[name])


def test_hostile_names_are_text_in_every_place() -> None:
    evidence, patterns, design = hostile()
    html = assessment_page(evidence, patterns, design)
    page = Tables(html)
    for shown in (SCRIPT, QUOTES, "{{7*7}}{%raw%}", "\\u202Eהזמנות\\u2066طلبات"):
        assert shown in page.text
    assert SCRIPT not in html and "<img" not in html
    assert not any(name in html for name in ("\u202e", "\u2066"))
    titles = page.text  # <title> of drawings are texts, too
    assert f"{SCRIPT}: 1,000,000 rows" in titles
    assert all(name[:20] in page.text for name in NAMES if name.isprintable())


def test_what_was_seen() -> None:
    page = page_of("two")
    assert page.row("Tables, the largest first", "orders")[1:] == [
        "1,200,000",
        "114.4 MB",
        "0 B",
        "+1,200 rows +117.2 kB in 30 days",
        "0",
        "99.1%",
        "items of its own",
    ]
    assert page.row("Tables, the largest first", "order_items")[-1] == "within other items"
    assert page.row("Tables, the largest first", "settings")[-1] == "left out"
    assert page.row("Classes of statements", "point read")[1:] == ["1", "89.7%"]
    assert "+8,400 rows, +820.3 kB in 30 days" in page.text
    assert "run ANALYZE first" in page.text


def test_what_a_mapping_comes_to() -> None:
    page = page_of("one")
    assert "The draft answers 3 of 4 read patterns" in page.text
    assert page.row("Sizes of items", "order") == [
        "order",
        "about 1,200,000",
        "812 B",
        "700 B",
        "8.8 kB",
        "439.5 kB",
        "812 B",
        "2.1",
        "1,000",
    ]
    assert page.row("Sizes of items", "customer")[-1] == "1,000 3 rejected"
    said = " ".join(page.text.split())
    for told in (
        "On demand $96.50",
        "Provisioned $32.17 120 read, 4 write units/s",
        "Live $1.63, 43 min 1,249,000 items, 2,600,000 write units at 1,000/s",
        "Import $0.21 1,249,000 items",
        "By scan $0.02 164,000 read units, 1.2 GB",
        "order.lines · list of children 3 on average, 100 at the most",
        "Turned down: a partition for each order",
        "settings · left out no statement reads it",
        "prices are those of the list, without a discount",
    ):
        assert told in said


def test_the_mappings_text_is_that_of_the_file() -> None:
    page = page_of("one")
    start = page.text.index("migration: shop")
    assert yaml.safe_load(page.text[start : start + len(DRAFT)]) == yaml.safe_load(DRAFT)


def test_how_each_pattern_is_answered() -> None:
    page = page_of("one")
    assert page.row("Access patterns", "read by partition orders")[1:] == [
        "SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC "
        "Query of orders by customer_id (about 32 rows each), sorted by placed_at",
        "Query of order in shop pk = CUSTOMER#{customer_id} sk begins with ORDER# in the order of placed_at, order_id "
        "Left to the reader: filter by status 0.5 read units a call",
        "9.0% 10/s",
    ]
    unserved = page.row("Reads that are not answered", "not for DynamoDB")
    assert unserved[2] == "groups over all rows of orders → stream the items to where analytics or search are run"
    assert "1 an hour" in page.row("Access patterns", "not for DynamoDB")[3]


def test_two_mappings_stand_side_by_side() -> None:
    page = page_of("two")
    label = "The mappings side by side"
    assert page.tables[label][0] == ["", "The draft", "own.yaml"]
    assert page.row(label, "DynamoDB tables") == ["DynamoDB tables differs", "1", "2"]
    assert page.row(label, "Reads that a key answers")[1:] == ["3 of 4", "2 of 4"]
    assert page.row(label, "A month on demand")[1:] == ["$96.50", "$71.00"]
    assert page.row(label, "Backfill, live") == ["Backfill, live", "$1.63, 43 min", "$1.63, 43 min"]
    different = page.tables["Patterns with different answers"]
    assert {row[0].split()[-1] for row in different[1:]} == {
        pattern(sql).id for sql in (BY_KEY, BY_CUSTOMER, "SELECT * FROM customers WHERE email = $1")
    }
    shown = page.row("Patterns with different answers", "read by partition")[2]
    assert shown.startswith("draft Query of order in shop")
    assert shown.endswith("own.yaml not answered no key of the mapping finds orders by customer_id")


def test_warnings_come_first_and_those_first_that_stop() -> None:
    page = page_of("two")
    places = [page.text.index(title) for title in ("Items over 400 KB", "Statements that no key", "Tables that the ma")]
    assert places == sorted(places)
    assert places[-1] < page.text.index("What the statements are")
    said = " ".join(page.text.split())
    assert "the largest order of the sample takes 450,000 bytes max bytes 439.5 kB · p99 bytes 8.8 kB draft" in said
    assert f"orders {pattern(COUNTED).id}: groups over all rows" in said
    assert {"href": f"#pattern-{pattern(COUNTED).id}"} in page.all("a")


def test_an_empty_assessment_says_so() -> None:
    page = page_of("empty")
    for said in (
        "No statement is known, so that access patterns are missing",
        "None, for no mapping has been judged.",
        "No table refers to another by a foreign key.",
        "--queries FILE",
    ):
        assert said in page.text


def test_of_many_tables_and_warnings_what_is_shown_is_bounded_and_said() -> None:
    page = page_of("many")
    assert f"{MOST_TABLES} of 500 tables: the largest of those that statements read or write" in page.text
    boxes = [one for one in page.all("svg") if (one.get("class") or "").startswith("box")]
    assert 30 < len(boxes) <= MOST_TABLES
    shown = len(page.tables["Tables, the largest first"]) + len(page.tables["Smaller tables"]) - 2
    assert shown == 500
    statements = [f"SELECT * FROM table_{number:03} WHERE id = $1" for number in range(MOST_PATTERNS + 7)]
    page = Tables(assessment_page(MANY[0], patterns_of(MANY[0], *statements), None))
    assert len(page.tables["Access patterns"]) == MOST_PATTERNS + 1
    assert "7 more in patterns.json" in page.text


def test_of_one_kind_of_warning_a_hundred_are_shown() -> None:
    warnings = tuple(DesignWarning(kind=WarningKind.TYPE, about=f"t{n}", text="money") for n in range(150))
    judged = ONE.mappings[0].model_copy(update={"warnings": warnings})
    page = Tables(assessment_page(EVIDENCE, PATTERNS, design_of(judged)))
    assert ("t99 money" in page.text.replace("\n", " "), "t100" in page.text) == (True, False)
    assert "and 50 more in design.json" in page.text
