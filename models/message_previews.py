"""What a message names of ours: things by their ids, as they stand in its text or in a link."""

import re
from uuid import UUID

from models.errors import Invalid
from models.ids import decode_id
from models.vocabulary import Vocabulary

MOST_PREVIEWS = 5
"""Of one message; what it names beyond that is not shown."""
MAX_EXCERPT = 200


class PreviewKind(Vocabulary):
    """What a preview is of."""

    GIG = "GIG", "A gig."
    APPLICATION = "APPLICATION", "An application; its title is that of the gig."
    CONTRACT = "CONTRACT", "A contract; its title is that of the gig."
    BOARD = "BOARD", "A board; its title is that of the gig."
    TASK = "TASK", "A task."
    SNIPPET = "SNIPPET", "A code snippet."


Named = tuple[PreviewKind, UUID]
_PREFIXES = {kind.value.lower(): kind for kind in PreviewKind}
# Begins with a literal: where a text has none, it is passed over at the speed of memory, sixty times as fast as a choice of
# prefixes. Not within a longer word; an address may go on behind it.
_ID = re.compile(r"_[0-7][0-9a-hjkmnp-tv-z]{25}(?![0-9A-Za-z_])")
_WORD = re.compile("[0-9A-Za-z_]")


def named_in(text: str) -> tuple[Named, ...]:
    """The first few things that a text names, each once, in its order; whether there are such things is not known."""
    found: dict[str, Named] = {}
    for match in _ID.finditer(text):
        end, behind = match.span()
        prefix = next((prefix for prefix in _PREFIXES if text.endswith(prefix, 0, end)), None)
        if prefix is None:
            continue
        start = end - len(prefix)
        id = text[start:behind]
        if id in found or (start > 0 and _WORD.match(text, start - 1)):
            continue
        try:
            found[id] = _PREFIXES[prefix], decode_id(prefix, id)
        except Invalid:  # it only looks like one
            continue
        if len(found) == MOST_PREVIEWS:
            break
    return tuple(found.values())
