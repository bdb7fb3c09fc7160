"""Words of what is kept beside rooms, and what a text that is not said (or was reported) looks like."""

import strawberry

from models.ids import encode_id
from models.kept_words import ReportOutcome, ReportReason, ReportState, ScheduledState
from models.message import Content
from models.store.chat_keys import Unreadable
from schema.messages import MessagePerson, MessageState, message_id
from schema.scalars import Markdown
from schema.words import words

__all__ = ["KeptText", "ReportOutcome", "ReportReason", "ReportState", "ScheduledState", "kept_text"]

for _vocabulary in (ScheduledState, ReportReason, ReportState, ReportOutcome):
    words(_vocabulary)


@strawberry.type(description="What a draft, a scheduled message or a reported one says.")
class KeptText:
    state: MessageState = strawberry.field(description="Whether it can be read; never DELETED.")
    text: Markdown | None = strawberry.field(description="The words; null unless SHOWN.")
    answers_id: strawberry.ID | None = strawberry.field(
        description="The message that it answers; null if it answers none."
    )
    quote_id: strawberry.ID | None = strawberry.field(
        description="The message that it shows again; null if it shows none."
    )
    mentions: list[MessagePerson] = strawberry.field(description="Members whom it speaks to, by their ids.")
    mentions_room: bool = strawberry.field(description="Whether it speaks to everybody in the room.")
    mentions_here: bool = strawberry.field(
        description="Whether it speaks to those who are there when it is sent; of a reported message they are among `mentions`."
    )
    attachment_ids: list[strawberry.ID] = strawberry.field(
        description="The ids of the files that a reported message showed then; some may be gone since. Who may not read a file "
        "cannot by its id."
    )


def kept_text(words: Content | Unreadable) -> KeptText:
    content = words if isinstance(words, Content) else Content("")
    state = MessageState.ERASED if words is Unreadable.DESTROYED else MessageState.FORGED
    return KeptText(
        state=MessageState.SHOWN if isinstance(words, Content) else state,
        text=Markdown(words.text) if isinstance(words, Content) else None,
        answers_id=None if content.answers_id is None else message_id(content.answers_id),
        quote_id=None if content.quote_id is None else message_id(content.quote_id),
        mentions=[MessagePerson(user_id=user_id) for user_id in content.mentioned_ids],
        mentions_room=content.mentions_room,
        mentions_here=content.here_ids is not None,
        attachment_ids=[strawberry.ID(encode_id("file", id)) for id in content.file_ids],
    )
