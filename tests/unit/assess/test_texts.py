"""Texts of statements: what makes two the same, and that no value of one gets out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from pipelines.assess.queries.script import script_statements
from pipelines.assess.statements.fingerprint import fingerprint
from pipelines.assess.statements.lexer import Token, lexemes
from pipelines.assess.statements.parse import Parsed
from pipelines.assess.statements.shape import shape
from tests.assess_evidence import Known, evidence_of, patterns_of

pytestmark = pytest.mark.unit

SHOP = evidence_of(Known("orders", "id status note tags placed_at data", "id"))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("'it''s' x", [(Token.STRING, "'it''s'")]),
        (r"E'a\'b;' x", [(Token.STRING, r"E'a\'b;'")]),
        ("$a$ ; ' $a$ x", [(Token.STRING, "$a$ ; ' $a$")]),
        ("$1,$2", [(Token.PARAMETER, "$1"), (Token.OTHER, ","), (Token.PARAMETER, "$2")]),
        ("/* a /* b */ ; */ x", [(Token.SPACE, "/* a /* b */ ; */")]),
        ("-- ; '\nx", [(Token.SPACE, "-- ; '")]),
        ('"a;""b" x', [(Token.QUOTED, '"a;""b"')]),
        ("0x1F 1.5e-3", [(Token.NUMBER, "0x1F"), (Token.SPACE, " "), (Token.NUMBER, "1.5e-3")]),
        ("'open", [(Token.BROKEN, "'open")]),
        ("/* open", [(Token.BROKEN, "/* open")]),
    ],
)
def test_lexemes(sql: str, expected: list[tuple[Token, str]]) -> None:
    assert [(one.token, one.text) for one in lexemes(sql)][: len(expected)] == expected


@given(st.text(alphabet="ab1$'\"/*-; \n\\éE_.", max_size=40))
def test_lexemes_leave_nothing_out(sql: str) -> None:
    assert "".join(one.text for one in lexemes(sql)) == sql


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT * FROM t WHERE a = 1", "select *  from t where A=2 -- x", True),
        ("SELECT a FROM t WHERE a IN (1,2)", "SELECT a FROM t WHERE a IN (1, 2, 3)", True),
        ("SELECT a FROM t WHERE a IN ($1 /*, ... */)", "SELECT a FROM t WHERE a IN (1)", True),
        ("SELECT a FROM t WHERE a LIKE 'x%'", "SELECT a FROM t WHERE a LIKE 'yy%'", True),
        ("SELECT a FROM t WHERE a LIKE 'x%'", "SELECT a FROM t WHERE a LIKE '%x'", False),
        ('SELECT "A" FROM t', 'SELECT "a" FROM t', False),
    ],
)
def test_fingerprints(one: str, other: str, same: bool) -> None:
    assert (fingerprint(one) == fingerprint(other)) is same


SECRET = "s3kr1t"
LEAKY = [
    "SELECT * FROM orders WHERE note = 's3kr1t'",
    "SELECT * FROM orders WHERE note = E's3kr1t' AND status = U&'s3kr1t'",
    "SELECT $x$s3kr1t$x$ FROM orders",
    "SELECT * FROM orders WHERE note LIKE '%s3kr1t%' OR note LIKE 's3kr1t%'",
    "SELECT * FROM orders WHERE note LIKE 's3kr1t' || '%'",
    "SELECT data -> 's3kr1t' ->> 'a', data #>> '{s3kr1t}' FROM orders",
    'SELECT * FROM orders WHERE data @> \'{"a": "s3kr1t"}\'',
    "SELECT /* s3kr1t */ * FROM orders -- s3kr1t",
    "SELECT * FROM orders WHERE placed_at > now() - interval 's3kr1t'",
    "SELECT * FROM orders WHERE placed_at AT TIME ZONE 's3kr1t' > now()",
    "INSERT INTO orders (note) VALUES ('a'), ('s3kr1t')",
    "UPDATE orders SET note = 's3kr1t', status = ('s3kr1t')::text WHERE id = 1",
    "COPY orders FROM '/tmp/s3kr1t' WITH (DELIMITER 's3kr1t')",
    "COPY orders TO PROGRAM 's3kr1t'",
    "SELECT extract('s3kr1t' FROM placed_at) FROM orders",
    "SELECT trim('s3kr1t' FROM note), position('s3kr1t' IN note) FROM orders",
    "SELECT date_trunc('s3kr1t', placed_at), interval '3 s3kr1t' FROM orders",
    "SELECT date_part('s3kr1t', placed_at) FROM orders",
    "SELECT * FROM orders TABLESAMPLE SYSTEM ('s3kr1t')",
    "ALTER ROLE me PASSWORD 's3kr1t'",
    "SET custom.value = 's3kr1t'",
    "SELECT * FROM orders WHERE (note = 's3kr1t'",
    "SELECT * FROM orders WHERE note = 's3kr1t",
    "CALL f('s3kr1t')",
    "DO $$ s3kr1t $$",
    "PREPARE q AS SELECT * FROM orders WHERE note = 's3kr1t'",
    "EXECUTE q('s3kr1t')",
    "SELECT xs3kr1t('s3kr1t') FROM (",
    "SELECT note, count(*) FROM orders GROUP BY note HAVING note > 's3kr1t'",
    "SELECT CASE note WHEN 's3kr1t' THEN 1 END, coalesce(note, 's3kr1t') FROM orders",
    "SELECT string_agg(note, 's3kr1t') FROM orders",
    "SELECT extract(year FROM date 's3kr1t'), B'1', X'ff' FROM orders",
    "SELECT * FROM orders WHERE note SIMILAR TO 's3kr1t' OR note ~* 's3kr1t'",
    "SELECT * FROM orders WHERE tags && ARRAY['s3kr1t'] AND note IN ('a', 's3kr1t')",
    "MERGE INTO orders USING orders s ON s.note = 's3kr1t' WHEN MATCHED THEN UPDATE SET note = 's3kr1t'",
    "SELECT * FROM orders WHERE to_tsvector('s3kr1t', note) @@ to_tsquery('s3kr1t')",
]


@pytest.mark.parametrize("statement", LEAKY)
def test_no_value_gets_out(
    statement: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    found = patterns_of(SHOP, statement)
    assert found.statements == 1
    captured = capsys.readouterr()
    assert SECRET not in found.model_dump_json() + captured.out + captured.err + caplog.text


def test_a_copys_table_is_shown() -> None:
    (pattern,) = patterns_of(SHOP, "COPY orders TO PROGRAM 'gzip > file'").patterns
    assert pattern.text == "COPY orders TO $1"


def test_where_a_string_would_show_as_a_name_nothing_is_shown() -> None:
    tree = exp.column("s3kr1t")
    assert shape(Parsed(tree, frozenset({"s3kr1t"}))) is None
    assert shape(Parsed(tree, frozenset())) == "s3kr1t"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM orders WHERE " + " OR ".join(f"id = {n}" for n in range(2000)),
        "SELECT * FROM orders WHERE " + "(" * 2000 + "id = 1" + ")" * 2000,
        "SELECT * FROM orders WHERE id IN (" + ", ".join(map(str, range(5000))) + ")",
    ],
    ids=["many branches", "many brackets", "a long list"],
)
def test_what_is_very_long_or_deep_is_one_pattern(statement: str) -> None:
    (pattern,) = patterns_of(SHOP, statement).patterns
    assert pattern.pattern in ("point_read", "unreadable"), pattern.reason


@settings(max_examples=25)
@given(
    st.integers(min_value=10**8, max_value=10**12), st.sampled_from(["{}", "-{}", "{}.5", "'{}'", "'%{}'", "$q${}$q$"])
)
def test_no_number_gets_out(number: int, form: str) -> None:
    value = form.format(number)
    statements = [
        f"SELECT {value}, * FROM orders WHERE id = {value} OR note LIKE {value} ORDER BY 2 LIMIT {number}",
        f"INSERT INTO orders (id) VALUES ({value})",
        f"SELECT ({value}",
    ]
    assert str(number) not in patterns_of(SHOP, *statements).model_dump_json()


SCRIPT = """\
\\set ON_ERROR_STOP on
-- a comment; with a semicolon
SELECT 1;

SELECT ';' /* ; */
  FROM t;;
CREATE FUNCTION f() RETURNS int AS $$ BEGIN; RETURN 1; END $$ LANGUAGE plpgsql;
COPY t (a) FROM stdin;
1;2
\\.
SELECT 2
"""


def test_a_script_is_taken_apart() -> None:
    found = [(one.sql.split("\n")[0], one.position) for one in script_statements(SCRIPT, "a.sql")]
    assert found == [
        ("\\set ON_ERROR_STOP on", "a.sql:1"),
        ("SELECT 1", "a.sql:3"),
        ("SELECT ';' /* ; */", "a.sql:5"),
        ("CREATE FUNCTION f() RETURNS int AS $$ BEGIN; RETURN 1; END $$ LANGUAGE plpgsql", "a.sql:7"),
        ("COPY t (a) FROM stdin", "a.sql:8"),
        ("SELECT 2", "a.sql:11"),
    ]


def test_a_script_that_is_cut_off_keeps_what_it_has() -> None:
    found = patterns_of(SHOP, *script_statements("SELECT * FROM orders WHERE id = 1; SELECT 'cut", "a.sql"))
    assert [(one.pattern, one.positions) for one in found.patterns if one.pattern == "unreadable"] == [
        ("unreadable", ("a.sql:1",))
    ]
    assert found.statements == 2
