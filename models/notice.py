"""Whom a fact concerns so much that they are notified: declared beside each kind of fact, as its `notice`."""

from dataclasses import dataclass

from models.vocabulary import Vocabulary


class NotificationCategory(Vocabulary):
    """What a notification is about, as people choose what to be told."""

    APPLICATIONS = "APPLICATIONS", "Bids on your gigs, and what becomes of your own bids."
    INVITATIONS = "INVITATIONS", "Invitations to apply, and the answers to them."
    CONTRACTS = "CONTRACTS", "Work that you do, or that is done for you."
    FEEDBACK = "FEEDBACK", "Feedback after the work; what it says is never part of a notification."
    TASKS = "TASKS", "Tasks on boards that are given to you, speak to you, or that you watch."
    SNIPPETS = "SNIPPETS", "Code that is shared with you, and what is said about yours or to you."
    CHAT = (
        "CHAT",
        "Messages to you alone, those that speak to you by name, and answers in threads that you follow; not all that is said "
        "in groups.",
    )
    SYSTEM = (
        "SYSTEM",
        "What the platform or its administrators did to your gig, your account, your messages or your reports. Cannot be switched off.",
    )


class NotificationReason(Vocabulary):
    """Why somebody is notified."""

    YOU_ARE_THE_CLIENT = "YOU_ARE_THE_CLIENT", "You posted the gig."
    YOU_APPLIED = "YOU_APPLIED", "It is about your application."
    YOU_ARE_INVITED = "YOU_ARE_INVITED", "It is about an invitation to you."
    YOU_WORK_ON_IT = "YOU_WORK_ON_IT", "You are the freelancer of the contract."
    YOU_ARE_ASSIGNED = "YOU_ARE_ASSIGNED", "The task is yours to do, or was."
    YOU_ARE_MENTIONED = "YOU_ARE_MENTIONED", "A comment or a message speaks to you."
    YOU_WATCH_IT = "YOU_WATCH_IT", "You watch the task or work on it."
    YOU_ARE_GIVEN_IT = "YOU_ARE_GIVEN_IT", "It was shared with you."
    YOU_OWN_IT = "YOU_OWN_IT", "The snippet is yours."
    YOU_SPOKE_IN_IT = "YOU_SPOKE_IN_IT", "You said something in the thread."
    IT_IS_YOUR_ACCOUNT = "IT_IS_YOUR_ACCOUNT", "It is about your account."
    YOU_WROTE_IT = "YOU_WROTE_IT", "You wrote the message."
    YOU_ARE_WRITTEN_TO = "YOU_ARE_WRITTEN_TO", "Somebody wrote to you alone."
    YOU_FOLLOW_THE_THREAD = (
        "YOU_FOLLOW_THE_THREAD",
        "Somebody answered in a thread that you wrote in, or chose to follow.",
    )
    YOU_REPORTED_IT = "YOU_REPORTED_IT", "You reported the message."


CRITICAL = frozenset({NotificationCategory.SYSTEM})
"""Categories that nobody can switch off."""


@dataclass(frozen=True, slots=True)
class Notice:
    """How a kind of fact is notified: to the owner of the gig, and to the person it is about for the reason given.

    `is_decision`: it begins or ends work, so it is told whatever people have switched off.
    """

    category: NotificationCategory
    person: NotificationReason | None = None
    is_decision: bool = False

    @property
    def is_critical(self) -> bool:
        return self.is_decision or self.category in CRITICAL
