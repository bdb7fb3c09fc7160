"""How words are sealed: AES-256-GCM, bound to the one fact that they belong to.

The key of each fact is derived from the author's data key and the fact's id. A nonce is random, and a fact's id is unique in
the log, which refuses a second one: so no two facts that are stored share a key and a nonce, whatever chance does.
"""

import hmac
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.chat import ChatDraft, Sealed
from models.vocabulary import Vocabulary

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
_PURPOSE = b"skillsync chat words 1\0"
_NAMING = b"skillsync chat client id 1\0"


class WordsForged(Exception):
    """The words are not those that were sealed for this place: changed, cut, or moved from elsewhere. Never a refusal."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one author's words in one room, unwrapped."""

    id: UUID
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.id})"


@dataclass(frozen=True, slots=True)
class Place:
    """Where words belong. All of it is chosen before they are appended; the number is not known yet.

    Of a snippet's text, the room is the snippet, the message the version or comment, and the fact the text itself.
    Words beside the log have a kind of their own, and `fact_id` is made for each sealing of them.
    """

    room_id: UUID
    author_id: UUID
    message_id: UUID
    fact_id: UUID
    kind: Vocabulary

    @classmethod
    def of(cls, draft: ChatDraft) -> Self:
        return cls(draft.room_id, draft.author_id, draft.message_id, draft.id, draft.kind)

    def bound_to(self, key_id: UUID) -> bytes:
        """The additional data: parts of fixed length, then the kind."""
        ids = (self.room_id, self.author_id, self.message_id, self.fact_id, key_id)
        return _PURPOSE + b"".join(id.bytes for id in ids) + self.kind.encode()


def sealed_name(client_id: str, *, author_id: UUID, secret: bytes) -> str:
    """A client id as it is stored: the same for the same one of an author, and without the room's key of search no more than
    noise. Keys of search are never replaced, so a repeat is known for ever."""
    return hmac.digest(secret, _NAMING + author_id.bytes + client_id.encode(), "sha256").hex()


def seal(words: bytes, *, key: DataKey, place: Place, nonce: bytes) -> Sealed:
    """`nonce` is 12 random bytes, new for each call."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError("a nonce has 12 bytes")
    text = _cipher(key, place).encrypt(nonce, words, place.bound_to(key.id))
    return Sealed(key.id, nonce, text)


def unseal(sealed: Sealed, *, key: DataKey, place: Place) -> bytes:
    """Raises `WordsForged`."""
    if len(sealed.nonce) != NONCE_BYTES or len(sealed.text) < TAG_BYTES:
        raise WordsForged(f"words of fact {place.fact_id} are cut short")
    try:
        return _cipher(key, place).decrypt(sealed.nonce, sealed.text, place.bound_to(sealed.key_id))
    except InvalidTag:
        raise WordsForged(f"words of fact {place.fact_id} were not sealed for it") from None


def _cipher(key: DataKey, place: Place) -> AESGCM:
    # The one block of HKDF-Expand (RFC 5869) that 32 bytes take.
    return AESGCM(hmac.digest(key.secret, _PURPOSE + place.fact_id.bytes + b"\x01", "sha256"))
