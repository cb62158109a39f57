"""Rows from items written by hand: of the root, of what it owns, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.mapping.inverse import Keep, NotInvertible
from tests.unit.inverse.small_inverse import inverses, item, order, source_key, table_names, values

pytestmark = pytest.mark.unit

LINES = "    embed:\n      lines: {from: lines, on: {order_id: order_id}, as: list, exclude: [order_id]"


def root_of(rest: str = "", **attributes: Any) -> dict[str, str | None]:
    return values(order(rest).rows(item(**attributes))[0])[0]


def refused(rest: str, text: str, owner: str | None = None) -> tuple[str, str]:
    with pytest.raises(NotInvertible) as caught:
        order(rest).rows(text, owner)
    return caught.value.path, caught.value.why


def test_a_row_has_every_column_that_can_be_written() -> None:
    (rows,) = order().rows(item(total={"N": "1.50"}, note={"S": "é"}, double={"N": "9"}))
    assert rows.columns == (
        "order_id", "customer_id", "status", "note", "total", "placed", "due", "rounded", "doc", "scan", "tags",
        "words", "serial",
    )  # fmt: skip
    assert rows.owner == (("order_id", "6"),)
    row = values(rows)[0]
    assert (row["order_id"], row["status"], row["note"], row["total"]) == ("6", "open", "é", "1.5")
    assert {name for name, text in row.items() if text is None} == {
        "customer_id", "placed", "due", "rounded", "doc", "scan", "tags",
    }  # fmt: skip


def test_what_is_excluded_keeps_what_it_has() -> None:
    (rows,) = order("    exclude: [note, serial, doc]\n").rows(item())
    assert not {"note", "serial", "doc"} & set(rows.columns)


def test_what_an_attribute_tells_less_exactly_than_its_column_may_keep_what_it_has() -> None:
    types = "    types: {placed: epoch_seconds, rounded: epoch_millis, due: epoch_seconds, words: SS, status: N}\n"
    (rows,) = order(types).rows(item(status={"N": "7"}, words=None))
    assert dict(rows.keep) == {
        "status": Keep.NUMBER,
        "total": Keep.EQUAL,
        "placed": Keep.SECONDS,
        "doc": Keep.DOCUMENT,
        "tags": Keep.LIST,
        "words": Keep.MEMBERS,
    }


def test_a_renamed_column_is_found_under_its_new_name() -> None:
    assert root_of("    rename: {note: remark}\n", remark={"S": "x"})["note"] == "x"


@pytest.mark.parametrize("null", [None, {"NULL": True}])
def test_an_absent_attribute_and_null_are_null(null: Any) -> None:
    assert root_of(note=null)["note"] is None
    assert root_of("    nulls: null\n", note=null)["note"] is None


def test_an_absent_attribute_of_a_column_without_nulls_is_refused() -> None:
    path, why = refused("", item(status=None))
    assert (path, why) == ("status", "is NULL or absent, and column status takes no NULL")


def test_of_json_null_is_the_document_unless_a_null_of_the_column_looks_the_same() -> None:
    null = {"NULL": True}
    assert root_of(doc=null)["doc"] == "null"
    assert root_of("    nulls: null\n", doc=null)["doc"] is None


def test_an_empty_set_is_no_attribute() -> None:
    sets = "    types: {tags: SS, words: SS}\n"
    row = root_of(sets, words=None)
    assert (row["tags"], row["words"]) == (None, "{}")  # of a column without NULLs it can only have been empty
    row = root_of("    nulls: null\n" + sets, words=None)
    assert (row["tags"], row["words"]) == ("{}", "{}")  # a NULL would be there


def test_an_index_key_that_is_absent_was_null_or_empty() -> None:
    (rows,) = order("    rename: {note: iname}\n").rows(item())
    assert values(rows)[0]["note"] is None
    assert dict(rows.keep)["note"] is Keep.EMPTY
    (rows,) = order("    rename: {status: iname}\n").rows(item(status=None))
    assert values(rows)[0]["status"] == ""
    assert "status" not in dict(rows.keep)


def test_places_of_one_column_must_agree() -> None:
    row = root_of(order_id={"N": "6"})
    assert row["order_id"] == "6"
    path, why = refused("", item(order_id={"N": "7"}))
    assert (path, why) == ("pk", "tells another order_id than order_id")
    path, why = refused("", item(order_id=None))
    assert (path, why) == ("order_id", "is NULL or absent, and pk tells its column order_id")


def test_the_text_of_a_number_is_nearer_than_its_value() -> None:
    plan = "    types: {total: text}\n    set: {copy: '{total}', shown: 'T{total}'}\n"
    assert root_of(plan, total={"S": "1.50"}, copy={"S": "1.50"}, shown={"S": "T1.5"})["total"] == "1.50"
    assert refused(plan, item(total={"S": "1.50"}, copy={"S": "1.50"}, shown={"S": "T1.6"}))[0] == "shown"


def test_a_template_is_read_where_nothing_else_holds_the_column() -> None:
    plan = "    exclude: [note]\n    set: {said: 'N:{note}'}\n"
    assert root_of(plan, said={"S": "N:a:b"})["note"] == "a:b"
    assert root_of(plan)["note"] is None
    assert refused(plan, item(said={"S": "n:a"})) == ("said", "is no text that its template makes")


def test_a_set_text_that_tells_less_is_ignored() -> None:
    plan = "    set: {low: '{note:lower}', day: '{placed:%Y}', two: 2}\n"
    assert root_of(plan, note={"S": "A"}, low={"S": "never compared"}, two={"N": "3"})["note"] == "A"


@pytest.mark.parametrize(
    ("template", "text", "told"),
    [
        ("{name:esc}|{at}|{n}", "a%7Cb%25|2026-11-24|-5", ("a|b%", "2026-11-24", "-5")),
        ("{n:03}/{at:%d.%m.%Y}/{name}", "007/24.11.2026/x/y", ("x/y", "2026-11-24", "7")),
        ("{at:%Y%m%d}{n:02}{name}", "2026112400", ("", "2026-11-24", "0")),
    ],
)
def test_key_templates_are_parsed(template: str, text: str, told: tuple[str, ...]) -> None:
    yaml = f'  named: {{table: ttt, from: named, key: {{pk: "{template}"}}, exclude: [name, at, n]}}\n'
    (rows,) = inverses(yaml)["named"].rows(item(pk={"S": text}))
    row = values(rows)[0]
    assert (row["name"], row["at"], row["n"]) == told
    assert rows.owner == (("name", told[0]), ("at", told[1]), ("n", told[2]))


def test_a_key_that_does_not_name_the_row_has_it_in_its_own_attribute() -> None:
    yaml = "  order: {table: ttt, from: orders, key: {pk: '{status:lower}'}, exclude: [order_id]}\n"
    inverse = inverses(yaml)["order"]
    assert inverse.problems == ()
    text, owner = item(pk={"S": "open"}, order_id=None), source_key(order_id="6")
    (rows,) = inverse.rows(text, owner)
    assert rows.owner == (("order_id", "6"),)
    assert values(rows)[0]["order_id"] == "6"
    assert inverse.source_key(text, owner) == owner
    with pytest.raises(NotInvertible, match="column order_id of the source key is not told"):
        inverse.rows(text)
    for wrong in ("x", '{"order_id":6}', "{}", '["order_id"]'):
        with pytest.raises(NotInvertible, match="is no source key with order_id"):
            inverse.rows(text, wrong)


def test_the_source_key_of_a_tombstone_is_in_its_key() -> None:
    assert order().source_key('{"pk":{"S":"O#00006"}}', None) == '{"order_id":"6"}'
    numbers = "  named: {table: ttt, from: named, key: {pk: '{name:esc}#{at:%Y%m%d}#{n}'}}\n"
    key = inverses(numbers)["named"].source_key('{"pk":{"S":"a%23#20261124#7"}}', None)
    assert key == '{"name":"a#","at":"2026-11-24","n":"7"}'
    with pytest.raises(NotInvertible, match="pk: is no text that its template makes"):
        order().source_key('{"pk":{"S":"O#6"}}', None)


def test_a_list_of_maps_becomes_rows_of_its_owner() -> None:
    lines = {
        "L": [{"M": {"line_no": {"N": "1"}, "sku": {"S": "a"}}}, {"M": {"line_no": {"N": "2"}, "sku": {"S": "b"}}}]
    }
    root, rows = order(LINES + "}\n").rows(item(lines=lines))
    assert rows.columns == ("order_id", "line_no", "sku", "gone")
    assert rows.owner == (("order_id", "6"),)
    assert rows.rows == (("6", "1", "a", None), ("6", "2", "b", None))
    assert root.owned[0].on == (("order_id", "order_id"),)


@pytest.mark.parametrize("lines", [None, {"L": []}])
def test_no_elements_are_no_rows(lines: Any) -> None:
    _, rows = order(LINES + "}\n").rows(item(lines=lines))
    assert (rows.owner, rows.rows) == ((("order_id", "6"),), ())


def test_what_a_where_fixes_is_written() -> None:
    plan = LINES.replace("exclude: [order_id]", "exclude: [order_id, gone], where: gone IS NULL") + "}\n"
    _, rows = order(plan).rows(item(lines={"L": [{"M": {"line_no": {"N": "1"}, "sku": {"S": "a"}}}]}))
    assert values(rows) == [{"order_id": "6", "line_no": "1", "sku": "a", "gone": None}]
    assert rows.where is not None


def test_a_set_of_one_column_becomes_rows() -> None:
    plan = "    embed:\n      marks: {from: marks, on: {order_id: order_id}, as: set, value: '{mark}'}\n"
    _, rows = order(plan).rows(item(marks={"SS": ["b", "a"]}))
    assert sorted(rows.rows) == [("6", "a"), ("6", "b")]
    _, rows = order(plan).rows(item())
    assert rows.rows == ()
    assert refused(plan, item(marks={"NS": ["1"]})) == ("marks", "is NS, and the mapping makes it SS")


def test_a_list_of_templates_becomes_rows() -> None:
    plan = "    embed:\n      marks: {from: marks, on: {order_id: order_id}, as: list, value: 'M{mark}'}\n"
    _, rows = order(plan).rows(item(marks={"L": [{"S": "Mx"}]}))
    assert rows.rows == (("6", "x"),)
    assert refused(plan, item(marks={"L": [{"S": "Mx"}, {"S": "x"}]}))[0] == "marks[1]"
    assert refused(plan, item(marks={"L": [{"NULL": True}]}))[0] == "marks[0]"


def test_a_map_is_one_row_or_none() -> None:
    plan = "    embed:\n      details: {from: details, on: {order_id: order_id}, as: map, exclude: [order_id]}\n"
    _, rows = order(plan).rows(item(details={"M": {"gift": {"S": "x"}}}))
    assert values(rows) == [{"order_id": "6", "gift": "x", "code": None}]
    _, rows = order(plan).rows(item())
    assert rows.rows == ()


NOTES = (
    "    embed:\n      lines:\n        from: lines\n        on: {order_id: order_id}\n        as: list\n"
    "        exclude: [order_id]\n        embed:\n          notes: {from: notes, on: {order_id: order_id, "
    "line_no: line_no}, as: list, include: [note_id, text]}\n"
)


def note(n: int) -> dict[str, Any]:
    return {"M": {"note_id": {"N": str(n)}, "text": {"S": f"t{n}"}}}


def line(n: int, *notes: int) -> dict[str, Any]:
    return {"M": {"line_no": {"N": str(n)}, "sku": {"S": "s"}, "notes": {"L": [note(n) for n in notes]}}}


def test_embeds_in_embeds_become_rows_of_each_enclosing_row() -> None:
    inverse = order(NOTES)
    found = inverse.rows(item(lines={"L": [line(1, 10, 11), line(2)]}))
    assert table_names(found) == ["orders", "lines", "notes", "notes"]
    assert [one.owner for one in found[2:]] == [
        (("order_id", "6"), ("line_no", "1")),
        (("order_id", "6"), ("line_no", "2")),
    ]
    assert values(found[2]) == [
        {"note_id": "10", "order_id": "6", "line_no": "1", "text": "t10"},
        {"note_id": "11", "order_id": "6", "line_no": "1", "text": "t11"},
    ]
    assert found[3].rows == ()
    assert [table.ref.table for table in inverse.tables] == ["orders", "lines", "notes"]
    assert found[1].owned == found[0].owned[0].owned
    assert found[1].owned is inverse.rows(item())[1].owned  # one object, so that a writer can group by it


def test_a_key_that_stands_twice_is_refused() -> None:
    path, why = refused(NOTES, item(lines={"L": [line(1, 10), line(1)]}))
    assert (path, why) == ("lines[1]", "has the primary key of public.lines that another element has")
    path, why = refused(NOTES, item(lines={"L": [line(1, 10, 10)]}))
    assert path == "lines[0].notes[1]"


def test_an_element_of_another_owner_is_refused() -> None:
    plan = LINES.replace(", exclude: [order_id]", "") + "}\n"
    element = {"M": {"order_id": {"N": "7"}, "line_no": {"N": "1"}, "sku": {"S": "a"}}}
    path, why = refused(plan, item(lines={"L": [element]}))
    assert (path, why) == ("lines[0].order_id", "tells another order_id than what it stands in")


def test_of_a_row_that_goes_the_rest_goes_by_its_joins() -> None:
    (root,) = order(NOTES).gone('{"order_id":"6"}')
    assert (root.owner, root.rows) == ((("order_id", "6"),), ())
    ((lines,),) = (root.owned,)
    assert (lines.table.ref.table, lines.on) == ("lines", (("order_id", "order_id"),))
    assert [(one.table.ref.table, one.on) for one in lines.owned] == [
        ("notes", (("order_id", "order_id"), ("line_no", "line_no")))
    ]


def test_another_type_than_the_mapping_makes_is_refused_by_its_path() -> None:
    assert refused("", item(total={"S": "5"})) == ("total", "is S, and the mapping makes it N")
    assert refused(LINES + "}\n", item(lines={"M": {}})) == ("lines", "is M, and the mapping makes it L")
    assert refused(LINES + "}\n", item(lines={"L": [{"S": "x"}]})) == ("lines[0]", "is S, and the mapping makes it M")


def test_the_error_names_no_value() -> None:
    with pytest.raises(NotInvertible) as caught:
        order().rows(item(status={"S": "secret\0"}))
    assert str(caught.value) == "status: holds U+0000, which no text of PostgreSQL can"


def test_a_key_that_tells_the_row_in_part_leaves_it_to_its_own_attribute() -> None:
    yaml = (
        "  timed: {table: ttt, from: timed, key: {pk: '{at:%Y-%m-%dT%H:%M:%S}#{order_id}'}, exclude: [at, order_id]}\n"
    )
    inverse = inverses(yaml)["timed"]
    assert inverse.problems == ()
    text = '{"pk":{"S":"2026-11-24T08:55:13#6"},"what":{"S":"x"}}'
    owner = source_key(order_id="6", at="2026-11-24T08:55:13.500000Z")
    (rows,) = inverse.rows(text, owner)
    assert rows.rows == (("6", "2026-11-24T08:55:13.500000Z", "x"),)
    assert inverse.source_key(text, owner) == owner
    for ask in (lambda: inverse.rows(text), lambda: inverse.source_key(text, None)):
        with pytest.raises(NotInvertible, match="_s: is not there, and the item tells column at of it only in part"):
            ask()


def test_what_an_element_is_joined_by_is_told_whole_by_the_join() -> None:
    """An element's own attribute may tell it in part."""
    plan = (
        "    embed:\n      timed: {from: timed, on: {order_id: order_id, at: placed}, as: list, "
        "types: {at: epoch_seconds}, exclude: [order_id]}\n"
    )
    element = {"M": {"at": {"N": "1795510513"}, "what": {"S": "x"}}}
    placed = {"S": "2026-11-24T08:55:13.500000Z"}
    _, rows = order(plan).rows(item(placed=placed, timed={"L": [element]}))
    assert rows.rows == (("6", placed["S"], "x"),)
    assert order(plan).problems == ()
    path, why = refused(plan, item(timed={"L": [element]}))
    assert (path, why) == ("timed", "holds rows, and what they are joined by is NULL")
    assert len(order(plan).rows(item())) == 1
