"""The mapping against the source's schema: a MigrationPlan, or every problem at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.mapping.catalog import Catalog, Relation, TableRef
from pipelines.mapping.compile_compare import Comparisons
from pipelines.mapping.compile_embed import Embeds
from pipelines.mapping.compile_row import Rows
from pipelines.mapping.compile_target import Targets
from pipelines.mapping.compile_version import version_column
from pipelines.mapping.key_conflicts import key_conflicts
from pipelines.mapping.model import Embed, Item, Mapping, bodies
from pipelines.mapping.origin import Path, listed, nearest
from pipelines.mapping.plan import EmbedPlan, ItemPlan, MigrationPlan, Nulls, RowPlan
from pipelines.mapping.predicate import Predicate, WhereError, columns_of
from pipelines.mapping.problems import Problems
from pipelines.mapping.scope import Scope, Scopes
from pipelines.mapping.sensitive import mark_sensitive


def tables_used(mapping: Mapping) -> tuple[TableRef, ...]:
    """The source tables that the mapping names, each once, in the file's order."""
    return tuple(dict.fromkeys(body.from_.ref(mapping.source.schema_) for body in bodies(mapping)))


def compile_mapping(mapping: Mapping, catalog: Catalog) -> MigrationPlan:
    """Raises MappingError with every problem found, in the order of the file's lines."""
    problems = Problems(mapping.origin)
    targets = Targets(mapping.target, problems)
    targets.check_tables()
    compiler = _Compiler(mapping, catalog, targets, problems)
    compiled = [(item, plan) for name, item in mapping.items.items() if (plan := compiler.item(name, item))]
    targets.check_ttl([plan for _, plan in compiled])
    targets.check_projections(mapping.items, [plan for _, plan in compiled])
    plans = mark_sensitive(compiled, problems)
    for name, other, message in key_conflicts(plans):
        problems.add(("items", name, "key"), f"can be a key of `{other}`, too: {message}")
    problems.raise_any()
    return MigrationPlan(mapping.migration, mapping.meaning_hash(), plans)


@dataclass(frozen=True)
class _Compiler:
    mapping: Mapping
    catalog: Catalog
    targets: Targets
    problems: Problems

    def item(self, name: str, item: Item) -> ItemPlan | None:
        """None where the item's tables are unknown; that is among the problems then."""
        path: Path = ("items", name)
        scope = Scopes(self.mapping, self.catalog, self.problems).build(item, path, Nulls.ABSENT, {})
        table = self.mapping.target.tables.get(item.table)
        if table is None:
            names = list(self.mapping.target.tables)
            self.problems.add(
                (*path, "table"),
                f"no table `{item.table}` in `target.tables`{nearest(item.table, names)}; there: {listed(names)}",
            )
        if scope is None or table is None:
            return None
        self._check_root(scope, item)
        scope.used.update(item.source_key)
        version = version_column(scope, item, self.problems)
        keys = self.targets.keys(scope, table, item, path)
        root = self._row(scope, {key.name: f"`key.{key.name}`" for key in keys}, depth=0)
        root, index_keys = self.targets.index_keys(table, keys, root, path)
        self._check_types(scope)
        return ItemPlan(
            name,
            item.table,
            keys,
            root,
            index_keys,
            frozenset(),
            key_sensitive=False,
            named_key=item.source_key,
            compare=Comparisons(root, keys, (*path, "compare"), self.problems).equivalences(item.compare),
            version=version,
        )

    def _check_root(self, scope: Scope, item: Item) -> None:
        """A root needs columns that tell its rows apart."""
        table, path = scope.table, (*scope.path, "source_key")
        for n, name in enumerate(item.source_key):
            if table.column(name) is None:
                self.problems.add((*path, n), scope.unknown_column(name))
            elif name in item.source_key[:n]:
                self.problems.add((*path, n), f"`{name}` stands here twice; keep one")
        if item.source_key and table.primary_key and not table.inherited:
            self.problems.add(path, f"{table.ref} has a primary key, which tells its rows apart; take this out")
        if not item.source_key and not table.primary_key:
            kind = f", a {table.relation.replace('_', ' ')}," if table.relation is not Relation.TABLE else ""
            self.problems.add(
                (*scope.path, "from"),
                f"{table.ref}{kind} has no primary key, and the root of an item needs one; add one to the table, or "
                "name the columns that tell its rows apart in `source_key`",
            )

    def _check_types(self, scope: Scope) -> None:
        """What `types` says of a value that nobody asks for would be a wish without effect."""
        for name, path in scope.unused_types():
            self.problems.add(path, f"`{name}` is not emitted, so its type has no effect; emit it, or take this out")
        for child in scope.children.values():
            self._check_types(child)

    def _row(self, scope: Scope, taken: dict[str, str], depth: int) -> RowPlan:
        """`depth`: lists and maps around the row's attributes."""
        attributes = Rows(self.problems).attributes(scope, taken)
        where = self._where(scope)
        embeds = tuple(self._embed(name, child, scope, depth) for name, child in scope.children.items())
        scope.used.update(scope.table.primary_key)
        return RowPlan(scope.table, scope.in_order(scope.used), where, attributes, embeds)

    def _embed(self, name: str, scope: Scope, outer: Scope, depth: int) -> EmbedPlan:
        embed = scope.body
        assert isinstance(embed, Embed)
        compiler = Embeds(scope, outer, self.problems)
        compiler.check_keys()
        on, value = compiler.pairs(), compiler.value()
        row = self._row(scope, {}, compiler.depth(depth))
        order = compiler.order()
        row = replace(row, columns=scope.in_order(scope.used))
        return EmbedPlan(name, embed.as_, row, on, order, embed.limit, embed.hidden, value)

    def _where(self, scope: Scope) -> Predicate | None:
        if scope.body.where is None:
            return None
        from pipelines.mapping.where_parse import parse_where  # sqlglot takes a while, and most have no `where`

        try:
            predicate = parse_where(scope.body.where, scope.table)
        except WhereError as error:
            self.problems.add((*scope.path, "where"), str(error))
            return None
        scope.used.update(columns_of(predicate))
        return predicate
