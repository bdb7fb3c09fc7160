"""How what people write is encrypted, for super admins."""

from datetime import datetime

import strawberry

from resolvers.encryption import encryption_now
from schema.analysis import priced
from schema.graph import Answered, Context, declare

_MOST_KEYS = 20


@strawberry.type(description="A key that wraps the keys of what people write. Never the key itself.")
class WrappingKeyStatus:
    id: str = strawberry.field(
        description="Made from its public half: the first 16 hexadecimals of a SHA-256."
    )
    bits: int | None = strawberry.field(
        description="Its size; null if CHAT_KEYS does not hold it, so that nothing it wraps can be read."
    )
    is_current: bool = strawberry.field(description="Whether it wraps new keys; the others only unwrap.")
    in_force: int = strawberry.field(description="How many data keys it wraps that seal new words.")
    retired: int = strawberry.field(description="How many it wraps that only open what was sealed before.")
    oldest_at: datetime | None = strawberry.field(
        description="When the oldest key that it wraps was made; null if it wraps none."
    )


@strawberry.type(
    description="How what people write is encrypted just now (AES-256-GCM, a key for each author in each room)."
)
class EncryptionStatus:
    wrapping_keys: list[WrappingKeyStatus] = strawberry.field(
        description="The keys of CHAT_KEYS, the current one first, then those that are missing there."
    )
    data_keys: int = strawberry.field(description="How many data keys there are.")
    retired_data_keys: int = strawberry.field(
        description="How many of them were replaced, and go once nothing is sealed under them."
    )
    rewrapped_data_keys: int = strawberry.field(
        description="How many the current wrapping key wraps: rotation is through when it is all of them."
    )
    oldest_data_key_at: datetime | None = strawberry.field(
        description="When the oldest data key was made; null without any."
    )
    search_keys: int = strawberry.field(description="How many rooms have a key of their own for search.")
    indexed_messages: int = strawberry.field(
        description="About how many messages can be found by their words; by statistics, not counted."
    )
    token_bits: int = strawberry.field(
        description="How much of the HMAC-SHA-256 of a word is kept in the blind index."
    )
    uses_development_key: bool = strawberry.field(
        description="Whether the wrapping key was made by the server for development."
    )
    warnings: list[str] = strawberry.field(description="What an operator should see to; empty if nothing.")


async def _status(context: Context) -> EncryptionStatus:
    found = await encryption_now(context.op)
    return EncryptionStatus(
        wrapping_keys=[
            WrappingKeyStatus(
                id=key.id,
                bits=key.bits,
                is_current=key.is_current,
                in_force=key.in_force,
                retired=key.retired,
                oldest_at=key.oldest_at,
            )
            for key in found.wrapping_keys
        ],
        data_keys=found.data_keys,
        retired_data_keys=found.retired,
        rewrapped_data_keys=found.rewrapped,
        oldest_data_key_at=found.oldest_at,
        search_keys=found.search_keys,
        indexed_messages=found.indexed_messages,
        token_bits=64,
        uses_development_key=found.uses_development_key,
        warnings=found.warnings,
    )


@strawberry.type
class EncryptionQuery:
    encryption_status: EncryptionStatus | None = declare(
        Answered(_status),
        "How what people write is encrypted; refused (FORBIDDEN) to everybody but super admins. Never null otherwise.",
        metadata=priced(size=_MOST_KEYS),
    )
