"""People as inputs name them: by themselves, or by one of their profiles."""

from uuid import UUID

import strawberry

from models.errors import Invalid
from models.ids import decode_id, prefix_of

PERSON = "Who: the id of a person, or of a freelancer's or a client's profile."
_PEOPLE = frozenset({"person", "freelancer", "client"})


def person_of(id: str, *, path: tuple[str, ...] = ("personId",)) -> UUID:
    """Raises `Invalid`."""
    prefix = prefix_of(id)
    if prefix not in _PEOPLE:
        raise Invalid(path, "ID_TYPE", "Expected the id of a person, a freelancer or a client.")
    return decode_id(prefix, id, path=path)


def people_of(ids: list[strawberry.ID], path: str) -> list[UUID]:
    """Raises `Invalid`."""
    return [person_of(id, path=(path, str(index))) for index, id in enumerate(ids)]
