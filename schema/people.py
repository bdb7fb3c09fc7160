"""People as those see them who work with them."""

from auth import access
from models.user import User
from schema.graph import column, node
from schema.node import Node


@node(
    "person",
    User,
    scope=access.visible_people,
    name="Person",
    description="Somebody you share a board or a room of chat with.",
)
class PersonType(Node):
    name: str = column(User.name, "The person's name.")
