"""Documents that were parsed and found valid before, so that a client's repeated query pays for neither again.

Validation is half of the time of a page of twenty (measured). Only valid documents are kept, and by the length of their
text: a syntax tree takes up to 270 bytes for each character, so `MOST_CHARACTERS` bounds what strangers can fill.
"""

from collections import OrderedDict
from collections.abc import Iterator

from graphql import DocumentNode
from strawberry.extensions import SchemaExtension

MOST_CHARACTERS = 100_000


class ValidDocuments:
    """The documents used last, of one schema."""

    def __init__(self, max_characters: int = MOST_CHARACTERS) -> None:
        self._documents: OrderedDict[str, DocumentNode] = OrderedDict()
        self._max_characters = max_characters
        self.characters = 0

    def find(self, query: str) -> DocumentNode | None:
        document = self._documents.get(query)
        if document is not None:
            self._documents.move_to_end(query)
        return document

    def keep(self, query: str, document: DocumentNode) -> None:
        # One document takes a tenth at most, so that no single client empties the cache.
        if query in self._documents or len(query) > self._max_characters // 10:
            return
        self._documents[query] = document
        self.characters += len(query)
        while self.characters > self._max_characters:
            oldest, _ = self._documents.popitem(last=False)
            self.characters -= len(oldest)


class DocumentCache(SchemaExtension):
    """One operation's use of `documents`. Limits that depend on the variables or the caller are not for here."""

    def __init__(self, documents: ValidDocuments) -> None:
        super().__init__()
        self._documents = documents
        self._is_known = False

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        document = self._documents.find(context.query) if context.query else None
        if document is not None:
            context.graphql_document = document
            self._is_known = True
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if self._is_known and context.pre_execution_errors is None:
            context.pre_execution_errors = []
        yield
        if not self._is_known and not context.pre_execution_errors and context.query:
            assert context.graphql_document is not None
            self._documents.keep(context.query, context.graphql_document)
