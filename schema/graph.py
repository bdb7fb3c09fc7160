"""The declared graph: each object type says once where its fields come from.

A declaration is read by everything that needs it: the schema (names and types), the batch execution below, and the tests
of permissions, and by the planner, which turns documents into SQL. Fields declare a column, a pure function of columns, a
relation with its order and scope, or a batched Python source; nothing else reads data.

Batch execution serves what is not planned, and is what the planner is compared with: every field of one level asks a loader made from its declaration, so that a level costs one statement
per relation, whatever the number of rows. Loaders live as long as one operation.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import sqlalchemy as sa
import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.dataloader import DataLoader
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryContainer, StrawberryType, get_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

from auth.viewer import ANONYMOUS, Viewer
from models.ids import decode_id, encode_id
from resolvers.operation import Operation

Clause = sa.ColumnElement[bool]
Scope = Callable[[Viewer], Clause]
T = TypeVar("T")

NODES: dict[str, NodeSpec] = {}
"""Types that `node(id)` finds, by the prefix of their ids."""


@dataclass(eq=False)
class NodeSpec:
    """Where an object type's rows come from. `key` is None for rows that have no identity of their own."""

    type: type
    source: sa.FromClause
    scope: Scope
    key: sa.ColumnElement[Any] | None
    prefix: str | None

    _columns: dict[str, sa.ColumnElement[Any]] | None = None

    @property
    def columns(self) -> dict[str, sa.ColumnElement[Any]]:
        """What the declared fields need, by label; collected when first asked, when all types are there."""
        if self._columns is None:
            needed = [] if self.key is None else [self.key]
            for field in declared_fields(self.type):
                needed.extend(field.declaration.needs(self))
            self._columns = {label(column): column for column in needed}
        return self._columns

    def selected(self) -> list[sa.ColumnElement[Any]]:
        return [column.label(name) for name, column in self.columns.items()]

    def wrap(self, row: Any, context: Context) -> Any:
        """An instance of the type around a mapping of labels to values. What is below one of the past is of the past."""
        instance: Any = object.__new__(self.type)
        instance.row = row
        if context.op.as_of is not None:
            instance.within = context
        return instance


class Declaration:
    """Where a field comes from. `needs_context` tells whether resolving it needs the operation at all."""

    needs_context: ClassVar[bool] = True

    def needs(self, spec: NodeSpec) -> Iterable[sa.ColumnElement[Any]]:
        """Columns of the own row that must be read for this field."""
        return ()

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        raise NotImplementedError(type(self).__name__)


class GraphField(StrawberryField):
    """A Strawberry field that carries its declaration."""

    declaration: Declaration

    def __copy__(self) -> GraphField:
        copied = super().__copy__()
        copied.declaration = self.declaration
        return copied

    @property
    def is_basic_field(self) -> bool:
        return not self.declaration.needs_context

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Awaitable[Any] | Any:
        context = None if info is None else getattr(source, "within", info.context)
        return self.declaration.resolve(self, source, context, kwargs)  # type: ignore[arg-type]

    @property
    def target(self) -> NodeSpec:
        """The spec of the object type this field leads to."""
        return spec_of(_innermost(self.type))


@dataclass
class Context:
    """What the fields of one operation share.

    `done` holds payloads of mutations that happened already, by response key. `steps` collects what was done for whoever
    asked to have it explained; None otherwise.
    """

    op: Operation
    steps: list[dict[str, Any]] | None = None
    done: dict[str | int, Any] = dataclasses.field(default_factory=dict)
    loaders: dict[Any, DataLoader[Any, Any]] = dataclasses.field(default_factory=dict)
    written: dict[UUID, Any] = dataclasses.field(default_factory=dict)
    """Rows that the last mutation wrote and its caller may see, by id."""
    requested: int = 0
    """The price of the operation, known before it runs."""

    def seen_by(self, op: Operation) -> Context:
        """For what another operation reads within this one: it shares nothing that was read."""
        return Context(op, steps=self.steps, requested=self.requested)

    def load(self, name: Any, key: Any, load: Callable[[list[Any]], Awaitable[list[Any]]]) -> Awaitable[Any]:
        """The value for `key` from the loader called `name`, made on first use; one call per level with all keys."""
        loader = self.loaders.get(name)
        if loader is None:
            loader = self.loaders[name] = DataLoader(load_fn=load, max_batch_size=1000)
        return loader.load(key)


def label(column: sa.ColumnElement[Any]) -> str:
    if isinstance(column, sa.Label):
        return column.name
    table = getattr(column, "table", None)
    return f"{table.name}__{column.key}" if table is not None else str(column.key)


def sql(attribute: Any) -> sa.ColumnElement[Any]:
    """The core column behind a mapped attribute; expressions pass as they are."""
    expression: sa.ColumnElement[Any] = getattr(attribute, "expression", attribute)
    return expression._deannotate()


def declared_fields(cls: type) -> list[GraphField]:
    definition = get_object_definition(cls, strict=True)
    return [field for field in definition.fields if isinstance(field, GraphField)]


def spec_of(cls: Any) -> NodeSpec:
    return cls.__graph_spec__  # type: ignore[no-any-return]


def record(
    table: Any, *, scope: Scope, name: str, description: str, join: tuple[Any, Any] | None = None
) -> Callable[[type[T]], type[T]]:
    """Declare an object type over rows that have no id of their own. `join` adds a table: (table, on)."""
    return _declare(table, scope=scope, name=name, description=description, join=join, key=None, prefix=None)


def node(
    prefix: str,
    table: Any,
    *,
    scope: Scope,
    name: str,
    description: str,
    key: Any = None,
    join: tuple[Any, Any] | None = None,
) -> Callable[[type[T]], type[T]]:
    """Declare an object type over rows with an id; `scope` is part of every path to them."""
    key = table.id if key is None else key
    return _declare(table, scope=scope, name=name, description=description, join=join, key=key, prefix=prefix)


def _declare(
    table: Any,
    *,
    scope: Scope,
    name: str,
    description: str,
    join: tuple[Any, Any] | None,
    key: Any,
    prefix: str | None,
) -> Callable[[type[T]], type[T]]:
    def decorate(cls: type[T]) -> type[T]:
        source: sa.FromClause = table.__table__
        if join is not None:
            source = source.join(join[0].__table__, join[1])
        typed = strawberry.type(cls, name=name, description=description)
        spec = NodeSpec(typed, source, scope, None if key is None else sql(key), prefix)
        typed.__graph_spec__ = spec  # type: ignore[attr-defined]
        if prefix is not None:
            NODES[prefix] = spec
        return typed

    return decorate


# -- declarations ------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class NodeId(Declaration):
    needs_context = False

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> str:
        spec = spec_of(type(source))
        assert spec.prefix is not None and spec.key is not None
        return encode_id(spec.prefix, source.row[label(spec.key)])


@dataclass(eq=False)
class Column(Declaration):
    column: sa.ColumnElement[Any]
    needs_context = False

    def needs(self, spec: NodeSpec) -> Iterable[sa.ColumnElement[Any]]:
        return (self.column,)

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        return source.row[label(self.column)]


@dataclass(eq=False)
class Computed(Declaration):
    function: Callable[..., Any]
    columns: tuple[sa.ColumnElement[Any], ...]
    needs_context = False

    def needs(self, spec: NodeSpec) -> Iterable[sa.ColumnElement[Any]]:
        return self.columns

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        return self.function(*(source.row[label(column)] for column in self.columns))


@dataclass(eq=False)
class Personal(Computed):
    """Computed for the viewer: the function gets the operation first."""

    needs_context = True

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        return self.function(context.op, *(source.row[label(column)] for column in self.columns))


@dataclass(eq=False)
class One(Declaration):
    """The row of another node that `column` refers to; null when there is none or the viewer may not see it."""

    column: sa.ColumnElement[Any]

    def needs(self, spec: NodeSpec) -> Iterable[sa.ColumnElement[Any]]:
        return (self.column,)

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        key = source.row[label(self.column)]
        return None if key is None else load_node(context, field.target, key)


@dataclass(eq=False)
class Many(Declaration):
    """All rows that refer to this one by `parent`; through an association table when `to` is its other column."""

    parent: sa.ColumnElement[Any]
    to: sa.ColumnElement[Any] | None
    order: tuple[sa.ColumnElement[Any], ...]
    where: Clause = dataclasses.field(default_factory=sa.true)
    is_of_now: bool = False
    """Whether it is not known of the past, and null there."""

    def needs(self, spec: NodeSpec) -> Iterable[sa.ColumnElement[Any]]:
        return () if spec.key is None else (spec.key,)

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        spec = spec_of(type(source))
        assert spec.key is not None
        if self.is_of_now and context.op.as_of is not None:
            return None
        return context.load(self, source.row[label(spec.key)], lambda keys: self.batch(field, context, keys))

    async def batch(self, field: GraphField, context: Context, keys: list[UUID]) -> list[list[Any]]:
        target = field.target
        source = target.source
        if self.to is not None:
            assert target.key is not None
            source = source.join(self.to.table, self.to == target.key)
        statement = (
            sa.select(self.parent.label("_parent"), *target.selected())
            .select_from(source)
            .where(self.parent.in_(keys), target.scope(context.op.viewer), self.where)
            .order_by(self.parent, *self.order)
        )
        children: dict[UUID, list[Any]] = defaultdict(list)
        for row in await context.op.db.fetch(statement):
            children[row._mapping["_parent"]].append(target.wrap(row._mapping, context))
        return [children[key] for key in keys]


@dataclass(eq=False)
class Source(Declaration):
    """A batched Python source: `function(op, keys, **arguments)` answers a mapping; a key without an entry gets `default()`."""

    function: Callable[..., Awaitable[dict[Any, Any]]]
    key: sa.ColumnElement[Any] | None
    default: Callable[[], Any]
    is_of_now: bool = False
    """Whether it is not known of the past: no key has an entry there."""
    is_personal: bool = True
    """Whether the answer depends on who asks."""

    def needs(self, spec: NodeSpec) -> Iterable[sa.ColumnElement[Any]]:
        return (self._key(spec),)

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        key = source.row[label(self._key(spec_of(type(source))))]
        # Inputs are values that cannot be keys themselves; what they say can.
        name = (self.function, repr(sorted(arguments.items())))
        return context.load(name, key, lambda keys: self.batch(context, keys, arguments))

    async def found(self, op: Operation, keys: list[Any], arguments: Mapping[str, Any]) -> Mapping[Any, Any]:
        return {} if self.is_of_now and op.as_of is not None else await self.function(op, keys, **arguments)

    async def batch(self, context: Context, keys: list[Any], arguments: dict[str, Any]) -> list[Any]:
        values = await self.found(context.op, keys, arguments)
        return [values[key] if key in values else self.default() for key in keys]

    def _key(self, spec: NodeSpec) -> sa.ColumnElement[Any]:
        key = self.key if self.key is not None else spec.key
        assert key is not None
        return key


@dataclass(eq=False)
class Lookup(Declaration):
    """A root field that finds one node by its id; hidden and missing are both null.

    `found` is told of each find: the operation, and a mapping of labels to the columns `told`. `past` makes of an operation
    one that reads the node as it was at the moment `asOf`; None where the caller does not see it.
    """

    found: Callable[[Operation, Mapping[str, Any]], None] | None = None
    told: tuple[sa.ColumnElement[Any], ...] = ()
    past: Callable[[Operation, UUID, datetime], Awaitable[Operation | None]] | None = None

    async def resolve(
        self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]
    ) -> Any:
        key = self.key(field, arguments)
        op = await self.operation(context.op, key, arguments)
        if op is None:
            return None
        if op is not context.op:
            context = context.seen_by(op)
        instance = await load_node(context, field.target, key)
        if instance is not None and self.found is not None:
            self.found(context.op, instance.row)
        return instance

    def key(self, field: GraphField, arguments: Mapping[str, Any]) -> UUID:
        """Raises `Invalid`."""
        target = field.target
        assert target.prefix is not None
        return decode_id(target.prefix, arguments["id"])

    async def operation(self, op: Operation, key: UUID, arguments: Mapping[str, Any]) -> Operation | None:
        """As whom to read: the operation itself unless a moment is given."""
        moment: datetime | None = arguments.get("as_of")
        return op if moment is None or self.past is None else await self.past(op, key, moment)


@dataclass(eq=False)
class Own(Declaration):
    """A root field that is the caller's own account; null for an anonymous caller."""

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        user_id = context.op.viewer.user_id
        return None if user_id is None else load_node(context, field.target, user_id)


@dataclass(eq=False)
class AnyNode(Declaration):
    """A root field that finds nodes of any type: one by its `id`, or a list by `ids`, in their order."""

    keys: Callable[[Mapping[str, Any]], list[tuple[NodeSpec, UUID]]]
    is_list: bool

    async def resolve(
        self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]
    ) -> Any:
        pending = [load_node(context, spec, key) for spec, key in self.keys(arguments)]
        found = list(await asyncio.gather(*pending))
        return found if self.is_list else found[0]


@dataclass(eq=False)
class Chosen(Declaration):
    """A root field that lists the nodes whose keys `function(op, **arguments)` answers, in that order, hidden ones left out."""

    function: Callable[..., Awaitable[Sequence[UUID]]]

    async def resolve(
        self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]
    ) -> Any:
        keys = await self.function(context.op, **arguments)
        pending = [load_node(context, field.target, key) for key in keys]
        return [node for node in await asyncio.gather(*pending) if node is not None]


@dataclass(eq=False)
class Answered(Declaration):
    """A root field that Python answers: `function(context, **arguments)`. Nodes in the answer are `Reference`s."""

    function: Callable[..., Awaitable[Any]]

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        return self.function(context, **arguments)


Found = Callable[[Operation, Sequence[Any]], Awaitable[Mapping[Any, Any]]]


@dataclass(eq=False)
class Reference(Declaration):
    """A node that a value made by Python refers to by the key in `attribute`, read under the caller's scope.

    With `told`, only if that has an entry for the key, too: whoever may not be told of it may not see it either.
    """

    attribute: str
    told: Found | None = None

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        key = getattr(source, self.attribute)
        if key is None:
            return None
        if self.told is None:
            return load_node(context, field.target, key)
        return self._told_of(self.told, field, context, key)

    async def _told_of(self, told: Found, field: GraphField, context: Context, key: Any) -> Any:
        async def batch(keys: list[Any]) -> list[bool]:
            known = await told(context.op, keys)
            return [key in known for key in keys]

        return await load_node(context, field.target, key) if await context.load(self, key, batch) else None


@dataclass(eq=False)
class Attached(Declaration):
    """A batched Python source beside a value made by Python: `function(op, keys)`, by the key in `attribute`."""

    function: Callable[[Operation, Sequence[Any]], Awaitable[Mapping[Any, Any]]]
    attribute: str
    is_personal: bool = True
    """Whether the answer depends on who asks."""

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        key = getattr(source, self.attribute)
        return None if key is None else context.load(self, key, lambda keys: self.batch(context, keys))

    async def batch(self, context: Context, keys: list[Any]) -> list[Any]:
        found = await self.function(context.op, keys)
        return [found.get(key) for key in keys]


@dataclass(eq=False)
class Followed(Declaration):
    """A root field of a subscription: the items of the stream that `stream(op, **arguments)` names, or those of them that
    `tells(viewer, fact, arguments)` picks.

    With `subject`, the stream is of one node, which whoever follows may see by this scope; facts that refer to a node of
    its type refer to it.
    """

    stream: Callable[..., str]
    tells: Callable[[Viewer, Any, Mapping[str, Any]], bool] | None = None
    subject: Scope | None = None
    shared_by: Viewer = ANONYMOUS
    """As whom items are made that are alike for all who may see the subject: a stranger sees least; where a stranger sees
    nothing and the subject's scope covers all that an item leads to, somebody who sees all."""
    merges: Callable[[Mapping[str, Any]], frozenset[str]] | None = None
    """Set where streams of gigs are merged into the stream: whether they are for these arguments."""
    beside: tuple[type, ...] = ()
    """Types that only words about the stream lead to, never facts: what is selected of them is made for each follower."""
    twin: Callable[[str], str] | None = None
    """Set where a second stream about the same subject is told, too: its name, from that of the first."""

    def resolve(self, field: GraphField, source: Any, context: Context, arguments: dict[str, Any]) -> Any:
        raise LookupError("streams are followed by schema.streaming")


def load_node(context: Context, spec: NodeSpec, key: UUID) -> Awaitable[Any]:
    """The node with this key, or None if the viewer may not see it."""

    async def batch(keys: list[UUID]) -> list[Any]:
        assert spec.key is not None
        statement = (
            sa.select(*spec.selected())
            .select_from(spec.source)
            .where(spec.key.in_(keys), spec.scope(context.op.viewer))
        )
        found = {row._mapping[label(spec.key)]: row._mapping for row in await context.op.db.fetch(statement)}
        return [spec.wrap(found[key], context) if key in found else None for key in keys]

    return context.load(spec, key, batch)


# -- how types write them ----------------------------------------------------------------------------------------------


def declare(
    declaration: Declaration, description: str, **options: Any
) -> Any:  # Any: a field stands for its value
    field = GraphField(description=description, **options)
    field.declaration = declaration
    field.init = False  # instances are made by `NodeSpec.wrap`, not by calling the type
    return field


def node_id(description: str) -> Any:
    return declare(NodeId(), description)


def column(attribute: Any, description: str) -> Any:
    return declare(Column(sql(attribute)), description)


def computed(function: Callable[..., Any], *attributes: Any, description: str) -> Any:
    return declare(Computed(function, tuple(sql(a) for a in attributes)), description)


def personal(function: Callable[..., Any], *attributes: Any, description: str) -> Any:
    return declare(Personal(function, tuple(sql(a) for a in attributes)), description)


def one(attribute: Any, description: str) -> Any:
    return declare(One(sql(attribute)), description)


def many(
    parent: Any,
    description: str,
    *,
    to: Any = None,
    order: Sequence[Any],
    where: Clause | None = None,
    is_of_now: bool = False,
) -> Any:
    """`where` leaves rows out, whoever asks; not for rows behind an association table."""
    assert to is None or where is None
    through = None if to is None else sql(to)
    condition = sa.true() if where is None else where
    return declare(
        Many(sql(parent), through, tuple(sql(o) for o in order), condition, is_of_now), description
    )


def source(
    function: Callable[..., Awaitable[dict[Any, Any]]],
    description: str,
    *,
    key: Any = None,
    default: Callable[[], Any] = lambda: None,
    arguments: Sequence[StrawberryArgument] = (),
    is_of_now: bool = False,
    is_personal: bool = True,
    **options: Any,
) -> Any:
    of = None if key is None else sql(key)
    field = declare(Source(function, of, default, is_of_now, is_personal), description, **options)
    if arguments:
        field.arguments = list(arguments)
    return field


def lookup(
    description: str,
    *,
    found: Callable[[Operation, Mapping[str, Any]], None] | None = None,
    told: Sequence[Any] = (),
    past: Callable[[Operation, UUID, datetime], Awaitable[Operation | None]] | None = None,
    as_of: str = "",
) -> Any:
    """`as_of` describes the argument of the moment that `past` takes."""
    field = declare(Lookup(found, tuple(sql(column) for column in told), past), description)
    field.arguments = [argument("id", strawberry.ID, "The id, as another answer gave it.")]
    if past is not None:
        field.arguments.append(argument("as_of", datetime | None, as_of, default=None))
    return field


def reference(attribute: str, description: str, *, told: Found | None = None) -> Any:
    return declare(Reference(attribute, told), description)


def attached(
    function: Callable[[Operation, Sequence[Any]], Awaitable[Mapping[Any, Any]]],
    attribute: str,
    description: str,
    *,
    is_personal: bool = True,
    **options: Any,
) -> Any:
    return declare(Attached(function, attribute, is_personal), description, **options)


def entity(description: str) -> Any:
    """A payload's entity, read again under the scope the caller has now."""
    return reference("entity_id", description)


def argument(
    name: str, annotation: Any, description: str, *, default: Any = dataclasses.MISSING
) -> StrawberryArgument:
    options = {} if default is dataclasses.MISSING else {"default": default}
    return StrawberryArgument(
        python_name=name,
        graphql_name=None,
        type_annotation=StrawberryAnnotation(annotation),
        description=description,
        **options,
    )


def _innermost(kind: StrawberryType | type) -> Any:
    while True:
        if isinstance(kind, StrawberryContainer):
            kind = kind.of_type
        elif isinstance(kind, LazyType):
            kind = kind.resolve_type()
        elif not hasattr(kind, "__graph_spec__"):
            # A connection, which says in its nodes what it connects to.
            definition = get_object_definition(kind, strict=True)
            nodes = next(field for field in definition.fields if field.python_name == "nodes")
            kind = nodes.resolve_type(type_definition=definition)
        else:
            return kind
