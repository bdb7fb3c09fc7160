"""The rows a selection needs: a tree of `Rows`, each one a common table expression of the one statement.

Reading a selection adds columns to its rows and rows below them, and writes the code that puts the answer together: lists
of dicts made from arrays of columns, children before parents. `statement` turns the same tree into SQL.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.types.base import get_object_definition

from auth.access import everybody
from models.ids import id_encoder
from schema.connections import ConnectionOf
from schema.graph import (
    Column,
    Computed,
    Declaration,
    GraphField,
    Many,
    NodeId,
    NodeSpec,
    One,
    Personal,
    Source,
    label,
    spec_of,
)
from schema.planner.arguments import ReadArguments, reader
from schema.planner.code import Code, Reads, Unplanned, Values, nullable
from schema.planner.selection import Selected, Selections
from schema.scalars import print_moment


class Form(Enum):
    """How a column travels."""

    PLAIN = "as the driver gives it"
    BYTES = "a UUID as its 16 bytes: quick to compare and to print"
    JSON = "as text of JSON: arrays of arrays must be even, and documents are texts anyway"
    MOMENT = "as JSON prints it, all rows in one text: the driver takes ten times as long for a moment as for a number"


@dataclass(eq=False)
class Rows:
    """The rows of one type at one place. `link` says how they hang on those above; the root's hang on nothing."""

    name: str
    spec: NodeSpec
    link: Declaration | None = None
    above: Rows | None = None
    page: PageUse | None = None
    below: list[Rows] = field(default_factory=list)
    outputs: dict[tuple[str, Form], str] = field(default_factory=dict)
    columns: dict[str, sa.ColumnElement[Any]] = field(default_factory=dict)
    """What the table expression delivers, by label; `outputs` are those of them that travel, by their variable."""

    def needs(self, column: sa.ColumnElement[Any]) -> str:
        """Have the table expression deliver the column; its label."""
        self.columns[label(column)] = column
        return label(column)

    def travels(self, column: sa.ColumnElement[Any], form: Form = Form.PLAIN) -> str:
        """Have the column travel; the variable that holds one row's value."""
        name = self.needs(column)
        return self.outputs.setdefault((name, form), f"{self.name}_{len(self.outputs)}")

    def counted(self) -> str:
        """A variable that is an array as it comes from the driver: as long as there are rows."""
        arrays = (name for (_, form), name in self.outputs.items() if form is not Form.MOMENT)
        return next(arrays, None) or self.any_output()

    def any_output(self) -> str:
        key = self.spec.key
        return self.travels(key if key is not None else next(iter(self.spec.columns.values())))

    def parents(self) -> str:
        """The variable of the key of the row above, where several rows hang on it."""
        return self.outputs.setdefault((PARENT, Form.PLAIN), f"{self.name}_{len(self.outputs)}")

    @property
    def signature(self) -> Hashable:
        """Everything of these rows that is in the statement. It is all declared: no name that a document gives is in it."""
        spec = (self.spec.source, self.spec.scope, self.spec.key)
        above = None if self.above is None else self.above.name
        page = None if self.page is None else self.page.signature
        return (self.name, spec, self.link, above, page, tuple(self.columns.items()), tuple(self.outputs))

    @property
    def parent_form(self) -> Form:
        link = self.link
        column = link.parent if isinstance(link, Many | ConnectionOf) else None
        return Form.BYTES if column is not None and _is_uuid(column) else Form.PLAIN


PARENT = "_parent"
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(eq=False)
class PageUse:
    """One selected connection: how its arguments are read, and which parts of a page are wanted."""

    number: int
    declaration: ConnectionOf
    field: GraphField
    target: NodeSpec
    read: ReadArguments
    rows: Rows | None = None
    wants_cursors: bool = False
    wants_more: bool = False
    wants_total: bool = False
    wants_report: bool = False
    wants_place: bool = False

    @property
    def signature(self) -> Hashable:
        """As of `Rows`. Whether more is wanted is not in the statement: it only reads one row more."""
        wanted = (self.wants_cursors, self.wants_total, self.wants_report, self.wants_place)
        return (self.number, self.declaration, *wanted)


@dataclass(eq=False)
class SourceUse:
    """One selected batched source: asked once for all keys in `rows`. `reads` are what its answers refer to."""

    number: int
    declaration: Source
    rows: Rows
    output: str
    read: ReadArguments
    reads: Reads = field(default_factory=Reads)

    @property
    def parameter(self) -> str:
        """The name in the code of what was read."""
        return f"n{self.number}"


class Reading:
    """Reads the selections below one root into rows, uses and code."""

    def __init__(self, schema: strawberry.Schema, selections: Selections, code: Code) -> None:
        self.schema = schema
        self.selections = selections
        self.code = code
        self.rows: list[Rows] = []
        self.pages: list[PageUse] = []
        self.sources: list[SourceUse] = []
        self.is_personal = False
        """Whether something beside the scopes depends on who asks, or may."""
        self._values = Values(code, selections)

    # -- roots ---------------------------------------------------------------------------------------------------------

    def keyed(self, kind: GraphQLObjectType, below: list[Selected]) -> Rows:
        """Rows found by keys; the code answers a mapping of keys to objects."""
        rows = self._rows(spec_of_type(kind))
        assert rows.spec.key is not None
        # Sources answer by UUID, and so do those who ask for keys.
        key = rows.travels(rows.spec.key)
        objects = self.objects(rows, kind, below)
        self.code.lines.append(f"return dict(zip({key}, {objects}))")
        return rows

    def paged(self, use: PageUse, kind: GraphQLObjectType, selected: Selected) -> Rows:
        """Rows of a root connection; the code answers the connection."""
        rows = self._rows(use.target, page=use)
        page = self._page(use, rows, kind, selected)
        self.code.lines.append(f"return {page}(0, len({rows.counted()}), None)")
        return rows

    def page_use(self, kind: GraphQLObjectType, selected: Selected) -> PageUse:
        definition = kind.fields[selected.name]
        declared: GraphField = definition.extensions["strawberry-definition"]
        assert isinstance(declared.declaration, ConnectionOf)
        read = reader(self.schema, definition, selected.node)
        use = PageUse(len(self.pages), declared.declaration, declared, declared.target, read)
        self.is_personal = True  # a filter may ask for what is the viewer's own
        self.pages.append(use)
        return use

    # -- objects -------------------------------------------------------------------------------------------------------

    def objects(self, rows: Rows, kind: GraphQLObjectType, below: list[Selected]) -> str:
        """Write code that makes one dict for each row; the name of the list of them."""
        parts = [f"{selected.key!r}: {self._field(rows, kind, selected)}" for selected in below]
        text = "{" + ", ".join(parts) + "}"
        words = set(_WORD.findall(text))
        used = [name for name in rows.outputs.values() if name in words]
        if not used:
            used = [next(iter(rows.outputs.values()), None) or rows.any_output()]
        name = f"o{len(self.code.lines)}"
        # Inside the comprehension a variable is one row's value, outside it is the array.
        loop = used[0] if len(used) == 1 else f"{', '.join(used)}"
        over = used[0] if len(used) == 1 else f"zip({', '.join(used)})"
        self.code.lines.append(f"{name} = [{text} for {loop} in {over}]")
        return name

    def _field(self, rows: Rows, kind: GraphQLObjectType, selected: Selected) -> str:
        if selected.name == "__typename":
            return repr(kind.name)
        definition = kind.fields[selected.name]
        declared = definition.extensions["strawberry-definition"]
        if not isinstance(declared, GraphField):
            raise Unplanned(f"{kind.name}.{selected.name} has a resolver")
        declaration, output = declared.declaration, definition.type
        match declaration:
            case NodeId():
                assert rows.spec.key is not None and rows.spec.prefix is not None
                encode = self.code.constant(
                    _ENCODERS.setdefault(rows.spec.prefix, id_encoder(rows.spec.prefix))
                )
                return f"{encode}({rows.travels(rows.spec.key, Form.BYTES)})"
            case Column():
                return self._column(rows, declaration.column, output)
            case Computed():  # and Personal
                values = [self._argument(rows, column) for column in declaration.columns]
                if isinstance(declaration, Personal):
                    self.is_personal = True
                    values.insert(0, "op")
                call = f"{self.code.constant(declaration)}.function({', '.join(values)})"
                return self._values.expression(output, selected, call)
            case One():
                return self._one(rows, declaration, declared, output, selected)
            case Many():
                return self._many(rows, declaration, declared, output, selected)
            case ConnectionOf():
                return self._nested_page(rows, kind, declaration, output, selected)
            case Source():
                return self._source(rows, declaration, definition, selected)
            case _:
                raise Unplanned(f"{kind.name}.{selected.name}: {type(declaration).__name__}")

    # -- columns -------------------------------------------------------------------------------------------------------

    def _column(self, rows: Rows, column: sa.ColumnElement[Any], output: GraphQLOutputType) -> str:
        is_required = is_non_null_type(output)
        text = self._plain_column(rows, column, get_nullable_type(output))
        return f"need({text})" if is_required and getattr(column, "nullable", True) else text

    def _plain_column(self, rows: Rows, column: sa.ColumnElement[Any], kind: Any) -> str:
        if is_list_type(kind):
            if get_named_type(kind).name not in {"String", "ID"}:
                raise Unplanned(f"a column of lists of {kind}")
            return f"{self.code.constant(_loads)}({rows.travels(column, Form.JSON)})"
        if isinstance(kind, GraphQLEnumType):
            names = _names_by_text(kind)
            value = rows.travels(column)
            # Where each text is its own name nothing is to be done, and nothing else passes the CHECK of the column.
            return (
                value
                if all(t == n for t, n in names.items())
                else f"{self.code.constant(names)}.get({value})"
            )
        assert isinstance(kind, GraphQLScalarType)
        if kind.name == "DateTime" and _is(column.type, sa.DateTime):
            return rows.travels(column, Form.MOMENT)
        value = rows.travels(column)
        if kind.name == "Int" and isinstance(column.type, sa.BigInteger):
            return f"int32({value})"
        if _travels_as_it_is(kind, column.type):
            return value
        return f"{self.code.constant(nullable(kind.coerce_output_value))}({value})"

    def _argument(self, rows: Rows, column: sa.ColumnElement[Any]) -> str:
        """A column as a pure function of columns expects it: as the table's model gives it."""
        if isinstance(column.type, sa.Enum) and column.type.enum_class is not None:
            members = _MEMBERS.setdefault(
                column.type.enum_class, {m.value: m for m in column.type.enum_class}
            )
            return f"{self.code.constant(members)}.get({rows.travels(column)})"
        if isinstance(column.type, sa.JSON | sa.ARRAY):
            return f"{self.code.constant(_loads)}({rows.travels(column, Form.JSON)})"
        return rows.travels(column)

    # -- relations -----------------------------------------------------------------------------------------------------

    def _one(
        self, rows: Rows, one: One, declared: GraphField, output: GraphQLOutputType, selected: Selected
    ) -> str:
        is_required = is_non_null_type(output)
        kind = named_object(output)
        child = self._rows(declared.target, one, rows)
        assert child.spec.key is not None
        objects = self.objects(child, kind, self.selections.below(kind, selected))
        found = f"m{len(self.code.lines)}"
        self.code.lines.append(f"{found} = dict(zip({child.travels(child.spec.key, Form.BYTES)}, {objects}))")
        text = f"{found}.get({rows.travels(one.column, Form.BYTES)})"
        return f"need({text})" if is_required else text

    def _many(
        self, rows: Rows, many: Many, declared: GraphField, output: GraphQLOutputType, selected: Selected
    ) -> str:
        kind = named_object(output)
        if many.to is None:
            child = self._rows(declared.target, many, rows)
            objects = self.objects(child, kind, self.selections.below(kind, selected))
        else:
            child, objects = self._through(rows, many, declared, kind, selected)
        found = f"g{len(self.code.lines)}"
        self.code.lines.append(f"{found} = {self.code.constant(_grouped)}({child.parents()}, {objects})")
        assert rows.spec.key is not None
        answer = f"{found}.get({rows.travels(rows.spec.key, Form.BYTES)}, {self.code.constant(_NOTHING)})"
        return f"({answer} if op.as_of is None else None)" if many.is_of_now else answer

    def _through(
        self, rows: Rows, many: Many, declared: GraphField, kind: GraphQLObjectType, selected: Selected
    ) -> tuple[Rows, str]:
        """Rows of the association table, and of the target each once: skills repeat, and joined to the association
        PostgreSQL reads all of the taxonomy for a page of gigs (measured)."""
        assert many.to is not None
        association, to_association, to_target = _association(declared.target, many)
        links = self._rows(association, to_association, rows)
        target = self._rows(declared.target, to_target, links)
        assert target.spec.key is not None
        objects = self.objects(target, kind, self.selections.below(kind, selected))
        key = target.travels(target.spec.key, Form.BYTES)
        to = links.travels(many.to, Form.BYTES)
        name = f"o{len(self.code.lines)}"
        self.code.lines.append(f"{name} = map(dict(zip({key}, {objects})).get, {to})")
        return links, name

    def _source(self, rows: Rows, source: Source, definition: GraphQLField, selected: Selected) -> str:
        key = source.key if source.key is not None else rows.spec.key
        assert key is not None
        variable = rows.travels(key)
        self.is_personal = self.is_personal or source.is_personal
        read = reader(self.schema, definition, selected.node)
        use = SourceUse(len(self.sources), source, rows, variable, read)
        self.sources.append(use)
        answers = f"s[{use.number}]"
        default = f"{self.code.constant(source)}.default()"
        call = f"({answers}[{variable}] if {variable} in {answers} else {default})"
        values = Values(self.code, self.selections, use.reads, use.parameter)
        return values.expression(definition.type, selected, call)

    # -- pages ---------------------------------------------------------------------------------------------------------

    def _nested_page(
        self,
        rows: Rows,
        kind: GraphQLObjectType,
        declaration: ConnectionOf,
        output: GraphQLOutputType,
        selected: Selected,
    ) -> str:
        use = self.page_use(kind, selected)
        child = self._rows(use.target, declaration, rows, page=use)
        parents = child.parents()
        page = self._page(use, child, named_object(output), selected)
        spans = f"p{len(self.code.lines)}"
        self.code.lines.append(f"{spans} = {self.code.constant(_spans)}({parents})")
        assert rows.spec.key is not None
        key = rows.travels(rows.spec.key, Form.BYTES)
        wanted = key
        if declaration.stream is not None:
            prefix = self.code.constant(f"{declaration.stream}:")
            wanted = f"{prefix} + str({self.code.constant(UUID)}(bytes={key}))"
        return f"{page}(*{spans}.get(w := {wanted}, {self.code.constant(_EMPTY_SPAN)}), w)"

    def _page(self, use: PageUse, rows: Rows, kind: GraphQLObjectType, selected: Selected) -> str:
        """Write the function of one page: from the first row, the row behind the last, and the parent's key."""
        use.rows = rows
        item = use.target.type
        node_kind = self._kind_of(item)
        parts = []
        for part in self.selections.below(kind, selected):
            match part.name:
                case "__typename":
                    text = repr(kind.name)
                case "nodes":
                    text = f"cut({self.objects(rows, node_kind, self.selections.below(node_kind, part))})"
                case "edges":
                    text = f"cut({self._edges(use, rows, kind, node_kind, part)})"
                case "pageInfo":
                    text = self._page_info(use, kind, part)
                case "totalCount":
                    use.wants_total = True
                    text = f"b[{use.number}].total(w)"
                case "streamCursor":
                    use.wants_place = True
                    text = f"b[{use.number}].place()"
                case "search":
                    use.wants_report = True
                    report = kind.fields["search"].type
                    text = self._values.expression(report, part, f"b[{use.number}].report(r)")
                case _:
                    raise Unplanned(f"{kind.name}.{part.name}")
            parts.append(f"{part.key!r}: {text}")
        if not rows.outputs:
            rows.any_output()
        name = f"page{use.number}"
        self.code.lines += [
            f"def {name}(a, z, w):",
            f"    bound = b[{use.number}]",
            "    has_more = z - a > bound.limit",
            "    if has_more: z = a + bound.limit",
            "    step = -1 if bound.is_backwards else 1",
            "    def cut(items): return items[a:z][::step]",
            f"    return {{{', '.join(parts)}}}",
        ]
        return name

    def _edges(
        self,
        use: PageUse,
        rows: Rows,
        kind: GraphQLObjectType,
        node_kind: GraphQLObjectType,
        selected: Selected,
    ) -> str:
        edge_kind = get_named_type(kind.fields["edges"].type)
        parts = []
        for part in self.selections.below(edge_kind, selected):
            if part.name == "__typename":
                text = repr(edge_kind.name)
            elif part.name == "cursor":
                use.wants_cursors = True
                text = f"b[{use.number}].cursor(r, i)"
            else:
                objects = self.objects(rows, node_kind, self.selections.below(node_kind, part))
                text = f"{objects}[i]"
            parts.append(f"{part.key!r}: {text}")
        name = f"e{len(self.code.lines)}"
        self.code.lines.append(f"{name} = [{{{', '.join(parts)}}} for i in range(len({rows.counted()}))]")
        return name

    def _page_info(self, use: PageUse, kind: GraphQLObjectType, selected: Selected) -> str:
        info_kind = get_named_type(kind.fields["pageInfo"].type)
        parts = []
        for part in self.selections.below(info_kind, selected):
            match part.name:
                case "__typename":
                    text = repr(info_kind.name)
                case "hasNextPage":
                    use.wants_more = True
                    text = "bound.has_cursor if bound.is_backwards else has_more"
                case "hasPreviousPage":
                    use.wants_more = True
                    text = "has_more if bound.is_backwards else bound.has_cursor"
                case "startCursor":
                    use.wants_cursors = True
                    text = "bound.cursor(r, z - 1 if bound.is_backwards else a) if z > a else None"
                case "endCursor":
                    use.wants_cursors = True
                    text = "bound.cursor(r, a if bound.is_backwards else z - 1) if z > a else None"
                case _:
                    raise Unplanned(f"PageInfo.{part.name}")
            parts.append(f"{part.key!r}: {text}")
        return "{" + ", ".join(parts) + "}"

    # -- small things --------------------------------------------------------------------------------------------------

    def _rows(
        self,
        spec: NodeSpec,
        link: Declaration | None = None,
        above: Rows | None = None,
        *,
        page: PageUse | None = None,
    ) -> Rows:
        rows = Rows(f"c{len(self.rows)}", spec, link, above, page)
        self.rows.append(rows)
        if above is not None:
            above.below.append(rows)
        return rows

    def _kind_of(self, item: type) -> GraphQLObjectType:
        kind = self.schema._schema.type_map[get_object_definition(item, strict=True).name]
        assert isinstance(kind, GraphQLObjectType)
        return kind


@cache
def _association(target: NodeSpec, many: Many) -> tuple[NodeSpec, Many, One]:
    """The rows between, how they hang on those above, and how the target hangs on them; the same for every document."""
    assert many.to is not None
    between = NodeSpec(target.type, many.to.table, everybody, None, None)
    return between, dataclasses.replace(many, to=None), One(many.to)


def named_object(kind: GraphQLOutputType) -> GraphQLObjectType:
    """The object type inside lists and non-nulls."""
    named = get_named_type(kind)
    assert isinstance(named, GraphQLObjectType)
    return named


def spec_of_type(kind: GraphQLObjectType) -> NodeSpec:
    return spec_of(kind.extensions["strawberry-definition"].origin)


def _is_uuid(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.Uuid)


def _travels_as_it_is(kind: GraphQLScalarType, type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether the driver's value is already what JSON needs: orjson prints days as the scalar does."""
    if isinstance(type_, sa.Uuid | sa.Enum):
        return False
    return kind.name in _AS_IS and _is(type_, _AS_IS[kind.name])


def _is(type_: sa.types.TypeEngine[Any], wanted: type[sa.types.TypeEngine[Any]]) -> bool:
    return isinstance(type_.impl_instance if isinstance(type_, sa.types.TypeDecorator) else type_, wanted)


_AS_IS: dict[str, Any] = {
    "String": sa.String,
    "Markdown": sa.String,
    "EmailAddress": sa.String,
    "CurrencyCode": sa.String,
    "Boolean": sa.Boolean,
    "Int": sa.Integer,
    "Date": sa.Date,
}


def _names_by_text(kind: GraphQLEnumType) -> dict[str, str]:
    """GraphQL names by the text of the database."""
    members: Any = kind.extensions["strawberry-definition"].wrapped_cls
    return {member.value: member.name for member in members}


def _loads(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def moments(text: str | None) -> Sequence[str | None]:
    """Moments as the scalar prints them; PostgreSQL writes the same but for the name of UTC."""
    if text is None:
        return ()
    printed: list[str | None] = orjson.loads(text.replace('+00:00"', 'Z"'))
    return printed


def as_gathered(value: Any, form: Form) -> Any:
    """A value of a table's model as a column of one row travels."""
    if form is Form.MOMENT:
        return orjson.dumps([None if value is None else print_moment(value)]).decode()
    if isinstance(value, Enum):
        value = value.value
    if value is not None and form is Form.BYTES:
        value = value.bytes
    elif value is not None and form is Form.JSON:
        value = orjson.dumps(value).decode()
    return [value]


def _grouped(parents: list[Any], objects: Iterable[Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for parent, item in zip(parents, objects, strict=True):
        if item is None:
            continue  # hidden by its scope
        group = groups.get(parent)
        if group is None:
            groups[parent] = [item]
        else:
            group.append(item)
    return groups


def _spans(parents: list[Any]) -> dict[Any, tuple[int, int]]:
    """Where the rows of each parent lie; they come one parent after the other."""
    spans: dict[Any, tuple[int, int]] = {}
    for index, parent in enumerate(parents):
        span = spans.get(parent)
        spans[parent] = (index if span is None else span[0], index + 1)
    return spans


_NOTHING: list[Any] = []
_EMPTY_SPAN = (0, 0)
_ENCODERS: dict[str, Callable[[bytes], str]] = {}
_MEMBERS: dict[Any, dict[Any, Any]] = {}
