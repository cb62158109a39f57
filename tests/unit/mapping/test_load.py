"""The mapping file at the edge: YAML's traps, unknown keys, every problem with its line."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.errors import MappingError
from pipelines.mapping.load import load_mapping, parse_mapping
from pipelines.mapping.model import Mapping, Provisioned
from pipelines.mapping.plan import Nulls
from pipelines.mapping.schema import DIALECT, json_schema

pytestmark = pytest.mark.unit

SMALL = """\
migration: m
target: {tables: {shop: {partition_key: {name: pk, type: S}}}}
items:
  a: {table: shop, from: t, key: {pk: "{id}"}%s}
"""


def small(rest: str = "") -> Mapping:
    return parse_mapping(SMALL % rest, "m.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(MappingError) as caught:
        parse_mapping(text, "m.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "m.yaml: empty"),
        ("# nothing\n", "m.yaml: empty"),
        ("- a\n", "m.yaml:1: not a mapping"),
        ("migration: [\n", "m.yaml:2: not valid YAML"),
        ("a: b\n c: d: e\n", "m.yaml:2: not valid YAML"),
        ("migration: \x07\n", "not valid YAML: the character U+0007"),
        ("a: *nowhere\n", "undefined alias"),
        ("a: &x [*x]\n", "an alias inside of what it stands for"),
        ("a: 1\n---\na: 2\n", "another document"),
        ("a: " + "[" * 3000 + "\n", "nested too deeply"),
        ("a: !!python/object:os.system x\n", "the YAML tag"),
        ("? [a]\n: 1\n", "a key must be a plain text"),
        ('migration: a\nx: "\\ud800"\n', "m.yaml:2: x: the character U+D800 is not allowed"),
        ('migration: a\n"\\udfff": 1\n', "m.yaml:2: the character U+DFFF is not allowed"),
        ('migration: a\nx: "a\\0"\n', "m.yaml:2: x: the character U+0000 is not allowed"),
        ('migration: a\nx: "\\U00110000"\n', "m.yaml:2: not valid YAML: there is no such character beyond U+10FFFF"),
        ('migration: a\nx: "\\UFFFFFFFF"\n', "m.yaml:2: not valid YAML: there is no such character beyond U+10FFFF"),
        (
            "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(f"{c}: &{c} [{', '.join(['*' + p] * 10)}]\n" for p, c in zip("abcde", "bcdef", strict=True)),
            "over 100,000 values",
        ),
    ],
)
def test_what_is_no_mapping(text: str, words: str) -> None:
    assert any(words in problem for problem in problems(text))


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (", exlude: [x]", "m.yaml:4: items.a.exlude: no such key (did you mean `exclude`?); allowed here: from"),
        (", exclude: x", "items.a.exclude: `x` is no list; write [a, b]"),
        (", nulls: none", "items.a.nulls: `none` is not allowed; allowed: 'absent' or 'null'"),
        (", types: {x: SSS}", "items.a.types.x: `SSS` is not allowed; allowed: 'S', 'N'"),
        (", set: {x: null}", "items.a.set.x: nothing: a template, a number, true or false is wanted"),
        (", set: {x: [1]}", "items.a.set.x: a list: a template"),
        (", where: 5", "items.a.where: `5` is no text; put it in quotes"),
        (", embed: {e: {from: t, on: {}, as: list}}", "items.a.embed.e.on: empty"),
        (", embed: {e: {from: t, as: list}}", "items.a.embed.e.on: missing; add it"),
        (
            ", embed: {e: {from: t, on: {a: b}, as: lst}}",
            "embed.e.as: `lst` is not allowed; allowed: 'list', 'map' or 'set'",
        ),
        (", embed: {e.f: {from: t, on: {a: b}, as: list}}", "no white space, no `.`"),
        (", embed: {e: {from: t, on: {a: b}, as: list, hiden: true}}", "did you mean `hidden`?"),
        (", embed: {e: {from: t, on: {a: b}, as: list, limit: 0}}", "`0` is too small; 1 at least"),
        (", embed: {e: {from: t, on: {a: b}, as: map, hidden: yes}}", "`yes` is neither true nor false"),
        (", embed: {e: {from: t, on: {a: b}, as: list, table: x}}", "embed.e.table: no such key"),
        (", compare: {tolerance: {x: -0.1}}", "items.a.compare.tolerance.x: `-0.1`: a number above 0 is wanted"),
        (", compare: {tolerance: {x: 0}}", "items.a.compare.tolerance.x: `0`: a number above 0 is wanted"),
        (", compare: {tolerance: {x: '1'}}", "items.a.compare.tolerance.x: `1`: a number above 0 is wanted"),
        (", compare: {ignored: [x]}", "items.a.compare.ignored: no such key (did you mean `ignore`?)"),
        (", compare: {ignore: x}", "items.a.compare.ignore: `x` is no list; write [a, b]"),
    ],
)
def test_one_problem_with_its_line(rest: str, words: str) -> None:
    found = problems(SMALL % rest)
    assert len(found) == 1, found
    assert words in found[0]
    assert found[0].startswith("m.yaml:4: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("retention: {snapshots: 0}\n", "m.yaml:5: retention.snapshots: `0` is too small"),
        ("checks: {lag_limit_seconds: -3}\n", "checks.lag_limit_seconds: `-3` is too small"),
        ("checks: {thresholds: {accepted: -3}}\n", "checks.thresholds.accepted: `-3` is too small"),
        ("checks: {coverage: 0}\n", "checks.coverage: `0`: `full` is wanted, or a share above 0 and up to 1"),
        ("checks: {coverage: 1.01}\n", "checks.coverage: `1.01`: `full` is wanted"),
        ("checks: {coverage: all}\n", "checks.coverage: `all`: `full` is wanted"),
        ("checks: {thresholds: {rejected: -1}}\n", "`-1` is too small"),
        ("checks: {schedule: nightly}\n", "checks.schedule: `nightly`: not a cron line; it has five fields"),
        ("checks: {time_zone: Mars/Base}\n", "checks.time_zone: `Mars/Base`: not a time zone; write UTC"),
        ("checks: {time_zone: ../../etc/passwd}\n", "not a time zone"),
        ("chekcs: {}\n", "did you mean `checks`?"),
        ("migration: n\n", "m.yaml:5: migration: written twice (first in line 1)"),
    ],
)
def test_problems_of_the_file(text: str, words: str) -> None:
    found = problems(SMALL % "" + text)
    assert len(found) == 1
    assert words in found[0]


def test_a_problem_is_one_line_of_plain_text() -> None:
    (found,) = problems(SMALL % ', "nu\\nlls\\e[31m": "x\\u2028"')
    assert "items.a.nu\\nlls\\x1b[31m: no such key" in found
    (found,) = problems(SMALL % ', nulls: "x\\ny"')
    assert "`x\\ny` is not allowed" in found


def test_all_problems_come_at_once() -> None:
    text = (
        "migration: a/b\nnope: 1\ntarget: {tables: {t: {partition_key: {name: pk, type: X}}}}\nitems: {a: {from: 7}}\n"
    )
    found = problems(text)
    assert [problem.split(":")[1] for problem in found] == ["1", "2", "3", "3", "4", "4", "4"]


def test_names_that_would_leave_the_warehouse_are_refused() -> None:
    for name in ("../x", ".", "a/b", "'" + "x" * 64 + "'", "''", "'a\n'"):
        assert problems(f"migration: {name}\n" + (SMALL % "").split("\n", 1)[1])


def test_words_that_yaml_takes_for_something_else() -> None:
    item = small(
        ", set: {a: on, b: no, c: 2026-11-24, d: 1:30, e: 010, f: 1.10, g: -5, h: true, i: 0x1F, j: .5, k: 1e3}"
        ", embed: {e: {from: t, on: {a: b}, as: list}}, nulls: null"
    ).items["a"]
    assert item.set_ == {
        "a": "on",
        "b": "no",
        "c": "2026-11-24",
        "d": "1:30",
        "e": "010",
        "f": Decimal("1.10"),
        "g": -5,
        "h": True,
        "i": "0x1F",
        "j": ".5",
        "k": Decimal("1000"),
    }
    assert item.embed["e"].on == {"a": "b"}
    assert item.nulls is Nulls.NULL


def test_defaults() -> None:
    mapping = small()
    assert mapping.source.schema_ == "public"
    assert mapping.source.url_env == "CROSSOVER_SOURCE_URL"
    assert mapping.target.tables["shop"].billing == "on_demand"
    assert mapping.checks.thresholds.rejected == 0
    assert mapping.checks.thresholds.accepted is None
    assert mapping.checks.least_coverage == 1
    assert mapping.origin.line(("items", "a", "key", "pk")) == 4


def test_billing_and_projection() -> None:
    table = parse_mapping(
        "migration: m\ntarget: {tables: {shop: {partition_key: {name: pk, type: S}, billing: {read: 1, write: 2},"
        " indexes: {gsi: {partition_key: {name: x, type: N}, projection: {include: [a]}}}}}}\n"
        "items: {a: {table: shop, from: t, key: {pk: x}}}",
        "m.yaml",
    ).target.tables["shop"]
    assert table.billing == Provisioned(read=1, write=2)
    assert table.indexes["gsi"].projection.include == ("a",)  # type: ignore[union-attr]


SAME = """\
# a comment
items:
  a:
    key:
      pk: '{id}'
    from: {table: t, schema: public}
    nulls: absent
    exclude: []
    table: shop
source: {url_env: CROSSOVER_SOURCE_URL}
target:
  tables:
    shop: {partition_key: {type: S, name: pk}, billing: on_demand}
checks: {schedule: "0 2 * * *"}
migration: m
"""


def test_the_hash_is_of_the_meaning() -> None:
    assert parse_mapping(SAME, "other.yaml").meaning_hash() == small().meaning_hash()
    assert small(", exclude: [a, b]").meaning_hash() == small(", exclude: [b, a]").meaning_hash()
    assert small(", set: {a: 1.0}").meaning_hash() == small(", set: {a: 1}").meaning_hash()
    assert small(", compare: {ignore: [a], tolerance: {b: 1}}").meaning_hash() == small().meaning_hash()


@pytest.mark.parametrize(
    "rest",
    [
        ", where: x = 1",
        ", exclude: [x]",
        ", include: []",
        ", nulls: null",
        ", set: {a: 1}",
        ", set: {a: 0.1234567890123456789012345678901}",
        ", set: {a: '1'}",
        ", set: {a: true}",
        ", sensitive: [x]",
        ", types: {a: S}",
        ", embed: {e: {from: t, on: {a: b}, as: list}}",
        ", embed: {e: {from: t, on: {a: b}, as: list, order_by: [a, b]}}",
        ", embed: {e: {from: t, on: {a: b}, as: list, order_by: [b, a]}}",
    ],
)
def test_the_hash_tells_meanings_apart(rest: str) -> None:
    others = ["", ", set: {a: false}", ", set: {a: 0.1234567890123456789012345678902}"]
    everything = [small(other).meaning_hash() for other in others]
    assert small(rest).meaning_hash() not in everything
    assert len(small(rest).meaning_hash()) == 64


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"migration: m\nx: \xe4\n")
    for path, words in (
        (tmp_path / "nothing.yaml", "no such file"),
        (tmp_path, "a folder"),
        (tmp_path / "latin.yaml", "latin.yaml:2: not UTF-8"),
    ):
        with pytest.raises(MappingError, match=words):
            load_mapping(path)


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(SMALL % "", encoding="utf-8-sig")
    assert load_mapping(tmp_path / "m.yaml").migration == "m"


def test_the_json_schema_is_plain_json_with_descriptions() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"] == DIALECT
    assert schema["additionalProperties"] is False
    definitions = schema["$defs"]
    assert set(definitions["Embed"]["required"]) == {"from", "on", "as"}
    for definition in [schema, *definitions.values()]:
        for name, described in definition.get("properties", {}).items():
            said = described if "$ref" not in described else definitions[described["$ref"].split("/")[-1]]
            assert described.get("description") or said.get("description"), name
