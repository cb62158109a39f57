"""The class of a statement that writes: always `write`; what matters is how its rows are found and what they touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from pipelines.assess.classify.fan_out import fan_out
from pipelines.assess.classify.read import found_by
from pipelines.assess.classify.verdict import Verdict, outside
from pipelines.assess.patterns import Branch, PatternClass, Write, WriteKind
from pipelines.assess.schema import Facts, Schema
from pipelines.assess.statements.reader import read_query, read_write
from pipelines.assess.statements.scope import identifier
from pipelines.assess.statements.written import Written


def classify_writes(schema: Schema, writes: Sequence[Written], tree: exp.Expr) -> Verdict:
    """`tree`: the whole statement, whose WITH may name what the writes read."""
    targets = [(one, _target(schema, one)) for one in writes]
    known = [(one, facts) for one, facts in targets if facts is not None]
    if not known:
        return outside(f"writes {identifier(writes[0].target.this)}, which was not assessed")
    found = [_one(schema, one, facts, tree) for one, facts in known]
    reasons = [reason for _, reason in found]
    several = "several writes at once: TransactWriteItems: " if len(found) > 1 else ""
    first, facts = known[0]
    return Verdict(
        PatternClass.WRITE,
        several + "; ".join(reasons),
        table=facts.name,
        keys=facts.identity if first.kind in (WriteKind.INSERT, WriteKind.UPSERT) else (),
        writes=tuple(write for write, _ in found),
    )


def _target(schema: Schema, written: Written) -> Facts | None:
    db = written.target.args.get("db")
    return schema.find(identifier(written.target.this), identifier(db) if db is not None else None)


@dataclass(frozen=True)
class _Located:
    """How a write's rows are found; `pattern` is None where nothing is to be found first."""

    pattern: PatternClass | None
    reason: str
    finds: Branch | None = None


def _one(schema: Schema, written: Written, facts: Facts, tree: exp.Expr) -> tuple[Write, str]:
    located = _located(schema, written, facts, tree)
    write = Write(
        kind=written.kind,
        table=facts.name,
        columns=written.columns,
        located=located.pattern,
        finds=located.finds,
        fan_out=fan_out(schema, facts, written.kind),
    )
    return write, located.reason


def _located(schema: Schema, written: Written, facts: Facts, tree: exp.Expr) -> _Located:
    match written.kind:
        case WriteKind.INSERT | WriteKind.UPSERT:
            return _Located(None, _inserted(schema, written, facts, tree))
        case WriteKind.TRUNCATE:
            return _Located(None, f"TRUNCATE of {facts.name}: every item is deleted, or the table made anew")
    if written.where is None:
        reason = f"{written.kind.upper()} of every row of {facts.name}: a scan first"
        return _Located(PatternClass.NOT_FOR_DYNAMODB, reason)
    reading = read_write(schema, written.target, written.froms, written.where, tree)
    if reading.outside:
        reason = f"{written.kind.upper()} of {facts.name}, found by {reading.outside[0]}, which was not assessed"
        return _Located(None, reason)
    found = found_by(schema, reading)
    finds = next(iter(found.reads()), None)
    one = found.pattern is PatternClass.POINT_READ and found.table == facts.name and len(reading.sources) == 1
    if one:
        verb = "DeleteItem" if written.kind is WriteKind.DELETE else "UpdateItem"
        return _Located(found.pattern, f"{verb} of {facts.name} by its key ({', '.join(found.keys)})", finds)
    reason = f"{written.kind.upper()} of {facts.name}; its rows are found first: {found.reason}"
    return _Located(found.pattern, reason, finds)


def _inserted(schema: Schema, written: Written, facts: Facts, tree: exp.Expr) -> str:
    name = facts.name
    if written.bulk:
        return f"BatchWriteItem into {name} (COPY)"
    if written.query is not None:
        tables = dict.fromkeys(one.facts.name for one in read_query(schema, written.query, around=tree).sources)
        if tables:
            return f"INSERT into {name} of rows that are read first from {', '.join(tables)}"
    if written.conflict is None:
        return f"PutItem into {name}"
    columns = frozenset(written.conflict)
    if not columns or columns == frozenset(facts.identity):
        return f"PutItem into {name} on a condition on its key"
    keys = ", ".join(written.conflict)
    return f"PutItem into {name}; that ({keys}) is unique takes an item of its own in the same transaction"
