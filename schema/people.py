"""People as those see them who work with them."""

from auth import access
from models.user import User
from schema.graph import column, node, source
from schema.node import Node
from schema.person_status import PersonStatus, status_of
from schema.room_presence import PersonPresence, presence_of


@node(
    "person",
    User,
    scope=access.visible_people,
    name="Person",
    description="Somebody you share a board or a room of chat with.",
)
class PersonType(Node):
    name: str = column(User.name, "The person's name.")
    presence: PersonPresence | None = source(
        presence_of,
        "Whether they are there; null unless you share a room of chat with them now, if one of you has blocked the other, and if "
        "they do not show it.",
    )
    status: PersonStatus | None = source(
        status_of,
        "What they say about themselves now; null if that is nothing, unless you share a room of chat with them now, and if one of "
        "you has blocked the other.",
    )
