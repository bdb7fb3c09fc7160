"""Which shipped data has been loaded, so that loading it again costs one look."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.table import utc


class SeedVersion(SQLModel, table=True):
    __tablename__ = "seed_version"

    name: str = Field(primary_key=True, max_length=40)
    sha256: str = Field(max_length=64)
    loaded_at: datetime = utc()
