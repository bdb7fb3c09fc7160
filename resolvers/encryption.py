"""How what people write is encrypted just now: numbers and names of keys for super admins, never a key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.store.chat_keys import KeyStatus
from models.user import Role
from resolvers.operation import Operation


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """A key of the ring, or one that wraps keys and is missing in it. `bits` is None then."""

    id: str
    bits: int | None
    is_current: bool
    in_force: int
    retired: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Encryption:
    wrapping_keys: Sequence[WrappingKey]
    search_keys: int
    indexed_messages: int
    uses_development_key: bool

    @property
    def data_keys(self) -> int:
        return sum(key.in_force + key.retired for key in self.wrapping_keys)

    @property
    def rewrapped(self) -> int:
        """How many data keys the current wrapping key wraps."""
        return sum(key.in_force + key.retired for key in self.wrapping_keys if key.is_current)

    @property
    def retired(self) -> int:
        return sum(key.retired for key in self.wrapping_keys)

    @property
    def oldest_at(self) -> datetime | None:
        return min((key.oldest_at for key in self.wrapping_keys if key.oldest_at), default=None)

    @property
    def warnings(self) -> list[str]:
        """What an operator should do something about."""
        found = []
        if self.uses_development_key:
            found.append("The wrapping key was made for development. Set CHAT_KEYS, then run `keys rotate`.")
        if missing := [key.id for key in self.wrapping_keys if key.bits is None]:
            found.append(f"CHAT_KEYS lacks {', '.join(missing)}: what these keys wrap cannot be read.")
        if self.rewrapped < self.data_keys:
            found.append(
                f"{self.data_keys - self.rewrapped} keys are wrapped by another key than the first of CHAT_KEYS. "
                "Run `keys rotate`, and keep the other keys until it is through."
            )
        return found


async def encryption_now(op: Operation) -> Encryption:
    """Raises `NotAllowed` for everybody but super admins."""
    op.viewer.require(Role.SUPER_ADMIN)
    keys = op.services.chat.keys
    found = {status.wrapping_key: status for status in await keys.status()}
    ids = [*keys.ring.ids, *sorted(found.keys() - set(keys.ring.ids))]
    index = await keys.index_status()
    return Encryption(
        [
            _wrapping_key(id, keys.ring.bits_of(id), found.get(id), is_current=id == keys.ring.current)
            for id in ids
        ],
        search_keys=index.keys,
        indexed_messages=index.messages,
        uses_development_key=keys.ring.is_for_development,
    )


def _wrapping_key(id: str, bits: int | None, status: KeyStatus | None, *, is_current: bool) -> WrappingKey:
    if status is None:
        return WrappingKey(id, bits, is_current, 0, 0, None)
    return WrappingKey(id, bits, is_current, status.in_force, status.retired, status.oldest_at)
