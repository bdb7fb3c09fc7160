"""Words of snippets that several modules show: made words of the public language before anybody uses them."""

from models.snippet import SnippetLanguage, SnippetShareKind
from models.snippet_diff import LineKind
from schema.words import words

__all__ = ["LineKind", "SnippetLanguage", "SnippetShareKind"]

words(LineKind, name="SnippetLineKind")
for _vocabulary in (SnippetLanguage, SnippetShareKind):
    words(_vocabulary)
