"""The board of the demo world's guide app: what was planned, who does it, and how it went."""

from dataclasses import dataclass

from models.task import TaskPriority

_P = TaskPriority
BACKLOG, TO_DO, DOING, DONE, CANCELLED = "Backlog", "To do", "In progress", "Done", "Cancelled"


@dataclass(frozen=True, slots=True)
class Planned:
    """A task as it was written, with `moves`: to which column, and how many days before the start of the demo."""

    title: str
    description: str = ""
    priority: TaskPriority = _P.NONE
    estimate: int = 1
    label: str | None = None
    column: str = TO_DO
    written: float = 13.5
    due_in: int | None = None
    moves: tuple[tuple[float, str], ...] = ()


LABELS = {"Screen": "#1f6feb", "Offline": "#8250df", "Bug": "#d73a4a"}
CHECKLIST = ("Airplane mode in the cellar", "Battery after six hours", "Rain on the glass")
"""Of the task that is tried out, with the first line ticked."""

TASKS = (
    Planned("Sign in with the guide's number", "Four digits, no keyboard.", _P.HIGH, 2, "Screen", moves=((13, DOING), (11.5, DONE))),
    Planned("Load today's route", "From the existing API; **must** come in under two seconds.", _P.HIGH, 3, "Offline", moves=((12.5, DOING), (10.5, DONE))),
    Planned("Show the guests' names", "", _P.MEDIUM, 1, "Screen", moves=((12, DOING), (11, DONE))),
    Planned("Choose a map library", "Vector tiles, free of charge for small teams.", _P.MEDIUM, 1, "Offline", moves=((11, DOING), (9.5, DONE))),
    Planned("Keep map tiles on the phone", "One town is 40 MB.", _P.HIGH, 5, "Offline", moves=((9, DOING), (4.5, DONE))),
    Planned("Mark where the group is", "", _P.MEDIUM, 2, "Screen", moves=((8, DOING), (6.5, DONE))),
    Planned("Call the office with one tap", "", _P.LOW, 1, "Screen", moves=((7, DOING), (6, DONE))),
    Planned("Names with accents are cut", "“José” becomes “Jos”.", _P.URGENT, 1, "Bug", written=5.5, moves=((5.2, DOING), (4.8, DONE))),
    Planned("Show the weather", "Nobody asked for it after all.", _P.LOW, 2, "Screen", moves=((9.2, CANCELLED),)),
    Planned("Try it out on the evening tour", "With Nico, in the old town.", _P.HIGH, 2, "Offline", due_in=2, moves=((1.5, DOING),)),
    Planned("Send no-shows when the phone is online again", "", _P.HIGH, 3, "Offline", due_in=5, moves=((2.5, DOING),)),
    Planned("Switch language in the middle of a tour", "English, Italian, Spanish.", _P.MEDIUM, 3, "Screen", due_in=8),
    Planned("Large letters", "", _P.MEDIUM, 1, "Screen", due_in=10),
    Planned("Compass points the wrong way on old phones", "", _P.LOW, 2, "Bug", written=1.2),
    Planned("Photos of meeting points", "", _P.LOW, 2, "Screen", BACKLOG),
    Planned("A dark mode for night walks", "", _P.NONE, 2, "Screen", BACKLOG),
)  # fmt: skip
