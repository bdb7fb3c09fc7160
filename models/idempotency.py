"""One row per act that was done under an idempotency key: a repeat answers with the entity as it is today."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from models.table import big, utc, words
from models.vocabulary import Vocabulary

KEPT_DAYS = 30


class Outcome(Vocabulary):
    """What a mutation did."""

    APPLIED = "APPLIED", "The act was done now."
    REPLAYED = "REPLAYED", "The same act was done before under this idempotency key; nothing changed now."
    NOOP = "NOOP", "Things already were as asked; nothing changed."
    REJECTED = "REJECTED", "The act was refused and nothing changed; `errors` says why."


class IdempotencyKey(SQLModel, table=True):
    __tablename__ = "idempotency_key"

    actor_id: UUID = Field(primary_key=True)
    mutation: str = Field(primary_key=True, max_length=60)
    key: str = Field(primary_key=True, max_length=200)
    input_hash: bytes
    entity_id: UUID | None
    outcome: Outcome = words(Outcome)
    stream: str | None = Field(max_length=80)
    number: int | None = big()
    created_at: datetime = utc(index=True)
