"""The way of a gig from draft to done: its states, and which verb leads where."""

from models.vocabulary import Vocabulary
from models.workflow import Workflow, step


class GigStatus(Vocabulary):
    """Where a gig is on its way."""

    DRAFT = "DRAFT", "Being written; only the client sees it."
    PENDING_APPROVAL = (
        "PENDING_APPROVAL",
        "Waits for an administrator's word; only the client and administrators see it.",
    )
    REJECTED = "REJECTED", "An administrator refused it, with a reason. An end state; it can be duplicated."
    OPEN = "OPEN", "Takes applications."
    PAUSED = "PAUSED", "Takes no new applications for now; those that came in stay."
    IN_PROGRESS = "IN_PROGRESS", "Hiring is over and work is going on."
    COMPLETED = "COMPLETED", "All work is done. An end state."
    CANCELLED = "CANCELLED", "The client gave it up. An end state; it can be duplicated."
    EXPIRED = "EXPIRED", "The deadline passed and nobody was hired. A new deadline reopens it."


S = GigStatus
GIG_WORKFLOW = Workflow[GigStatus](
    "gig",
    [
        step("publish", S.DRAFT, S.OPEN, by="OWNER"),
        step("publish", S.DRAFT, S.PENDING_APPROVAL, by="OWNER"),
        step("approve", S.PENDING_APPROVAL, S.OPEN, by="ADMIN"),
        step("reject", S.PENDING_APPROVAL, S.REJECTED, by="ADMIN"),
        step("request_changes", S.PENDING_APPROVAL, S.DRAFT, by="ADMIN"),
        step("pause", S.OPEN, S.PAUSED, by="OWNER"),
        step("resume", S.PAUSED, S.OPEN, by="OWNER"),
        step("reopen", [S.EXPIRED, S.IN_PROGRESS], S.OPEN, by="OWNER"),
        step("fill", S.OPEN, S.IN_PROGRESS, by="SYSTEM"),
        step("stop_hiring", [S.OPEN, S.PAUSED], S.IN_PROGRESS, by="OWNER"),
        step("stop_hiring", [S.OPEN, S.PAUSED], S.COMPLETED, by="OWNER"),
        step("finish", S.IN_PROGRESS, S.COMPLETED, by="SYSTEM"),
        step("fall_back", S.IN_PROGRESS, S.PAUSED, by="SYSTEM"),
        step("expire", [S.OPEN, S.PAUSED], S.EXPIRED, by="SYSTEM"),
        step("cancel", [S.DRAFT, S.PENDING_APPROVAL, S.OPEN, S.PAUSED, S.EXPIRED], S.CANCELLED, by="OWNER"),
    ],
)

# Its text may change.
EDITABLE = frozenset({S.DRAFT, S.OPEN, S.PAUSED, S.EXPIRED})
# It has not been out.
HIDDEN = frozenset({S.DRAFT, S.PENDING_APPROVAL, S.REJECTED})
