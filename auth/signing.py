"""Signatures on what clients carry for us: list cursors and stream cursors. Tampering shows; nothing is hidden."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from hashlib import sha256

_MAC_BYTES = 12


class Signer:
    """HMAC-SHA-256, truncated to 96 bits. The first key signs; all keys open, so that keys can rotate."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a signer needs a key")
        self._keys = tuple(keys)

    def sign(self, purpose: str, message: bytes) -> str:
        return base64.urlsafe_b64encode(_mac(self._keys[0], purpose, message) + message).decode().rstrip("=")

    def open(self, purpose: str, text: str) -> bytes | None:
        """The message, or None if this was not signed by us for `purpose`."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, message = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        genuine = [hmac.compare_digest(mac, _mac(key, purpose, message)) for key in self._keys]
        return message if any(genuine) else None


def _mac(key: bytes, purpose: str, message: bytes) -> bytes:
    return hmac.new(key, purpose.encode() + b"\0" + message, sha256).digest()[:_MAC_BYTES]
