"""What the modules of this room declare: tables, kinds of events, refusals. Taken from here, all of them are there."""

from models import (
    administration,
    application,
    attachment,
    board,
    board_events,
    chat,
    chat_log,
    contract,
    feedback,
    gig,
    idempotency,
    invitation,
    job,
    kept_events,
    kept_words,
    message,
    notification,
    pace,
    profile,
    recommendation,
    remark,
    room,
    room_events,
    seed,
    skill,
    snippet,
    snippet_events,
    stream,
    task,
    user,
)
from models.errors import DomainError
from models.event import EVENTS
from models.table import metadata

__all__ = [
    "EVENTS",
    "administration",
    "all_refusals",
    "application",
    "attachment",
    "board",
    "board_events",
    "chat",
    "chat_log",
    "contract",
    "feedback",
    "gig",
    "idempotency",
    "invitation",
    "job",
    "kept_events",
    "kept_words",
    "message",
    "metadata",
    "notification",
    "pace",
    "profile",
    "recommendation",
    "remark",
    "room",
    "room_events",
    "seed",
    "skill",
    "snippet",
    "snippet_events",
    "stream",
    "task",
    "user",
]


def all_refusals(family: type[DomainError] = DomainError) -> list[type[DomainError]]:
    """Every class below `family`."""
    return [cls for sub in family.__subclasses__() for cls in (sub, *all_refusals(sub))]
