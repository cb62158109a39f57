"""What a statement writes: the parts of INSERT, UPDATE, DELETE, MERGE, TRUNCATE and COPY … FROM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from pipelines.assess.patterns import WriteKind
from pipelines.assess.statements.reader import WRITES
from pipelines.assess.statements.scope import identifier


@dataclass(frozen=True)
class Written:
    """`froms` and `where` find the rows, where the statement has such; `conflict`: the columns of ON CONFLICT, None
    without it; `query`: what an INSERT takes its rows from."""

    kind: WriteKind
    target: exp.Table
    columns: tuple[str, ...] = ()
    froms: tuple[exp.Expr, ...] = ()
    where: exp.Expr | None = None
    conflict: tuple[str, ...] | None = None
    query: exp.Expr | None = None
    bulk: bool = False


def writes_of(tree: exp.Expr) -> list[Written]:
    """None for a query. Those of WITH are among them."""
    if isinstance(tree, exp.TruncateTable):
        return [Written(WriteKind.TRUNCATE, table) for table in tree.expressions if isinstance(table, exp.Table)]
    if isinstance(tree, exp.Copy):
        return list(_copied_in(tree))
    nodes = [node for node in tree.find_all(*WRITES) if not isinstance(node.parent, exp.When)]
    return [written for node in nodes if (written := _written(node)) is not None]


def _written(node: exp.Expr) -> Written | None:
    match node:
        case exp.Insert():
            return _inserted(node)
        case exp.Update() if isinstance(node.this, exp.Table):
            start = node.args.get("from_")
            froms = (start.this,) if start is not None else ()
            return Written(WriteKind.UPDATE, node.this, _set(node), froms, _where(node))
        case exp.Delete() if isinstance(node.this, exp.Table):
            return Written(WriteKind.DELETE, node.this, (), tuple(node.args.get("using") or ()), _where(node))
        case exp.Merge() if isinstance(node.this, exp.Table):
            columns = tuple(name for one in node.find_all(exp.Update) for name in _set(one))
            using = (node.args["using"],)
            return Written(WriteKind.MERGE, node.this, columns, using, node.args.get("on"))
    return None


def _inserted(node: exp.Insert) -> Written | None:
    table, columns = _target(node.this)
    if table is None:
        return None
    conflict = node.args.get("conflict")
    keys = None if conflict is None else tuple(_name(key) for key in conflict.args.get("conflict_keys") or ())
    query = node.expression if isinstance(node.expression, exp.Query) else None
    kind = WriteKind.INSERT if conflict is None else WriteKind.UPSERT
    return Written(kind, table, columns, conflict=keys, query=query)


def _copied_in(node: exp.Copy) -> Iterator[Written]:
    table, columns = _target(node.this)
    if table is not None and node.args.get("kind"):
        yield Written(WriteKind.INSERT, table, columns, bulk=True)


def _target(node: exp.Expr) -> tuple[exp.Table | None, tuple[str, ...]]:
    if isinstance(node, exp.Schema):
        table = node.this if isinstance(node.this, exp.Table) else None
        return table, tuple(identifier(one) for one in node.expressions)
    return (node, ()) if isinstance(node, exp.Table) else (None, ())


def _set(node: exp.Expr) -> tuple[str, ...]:
    """`a = …` and `(b, c) = …`."""
    left = [one.this for one in node.expressions if isinstance(one, exp.EQ)]
    names = [part for one in left for part in (one.expressions if isinstance(one, exp.Tuple) else [one])]
    return tuple(_name(name) for name in names)


def _name(node: exp.Expr) -> str:
    column = node.find(exp.Column)
    return identifier(column.this if column is not None else node.find(exp.Identifier))


def _where(node: exp.Expr) -> exp.Expr | None:
    clause = node.args.get("where")
    return clause.this if clause is not None else None
