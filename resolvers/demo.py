"""The demo world of a first start: a small cast and their gigs, made by the same use cases as everything else."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import col

from models.user import Role, User
from resolvers.operation import Services

PASSWORD = "demo-only-2026"


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    label: str
    roles: tuple[Role, ...]


CARLA = Person("carla@demo.skillsync.dev", "Carla Conti", "Carla, client", (Role.CLIENT,))
FARID = Person("farid@demo.skillsync.dev", "Farid Haddad", "Farid, freelancer", (Role.FREELANCER,))
ADA = Person("ada@demo.skillsync.dev", "Ada Osei", "Ada, administrator", (Role.CLIENT,))
LOGINS = (CARLA, FARID, ADA)


async def build_world(services: Services) -> bool:
    """Make the world unless it is there; whether it was made."""
    statement = sa.select(sa.func.count()).where(sa.func.lower(col(User.email)) == CARLA.email)
    if (await services.db.fetch(statement))[0][0]:
        return False
    return True
