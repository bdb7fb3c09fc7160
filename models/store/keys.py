"""The key ring: RSA keys that wrap other keys. The first wraps, all of them unwrap, so that they can rotate."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MIN_BITS = 3072


class WrappingKeyMissing(Exception):
    """A key was wrapped by one that the ring does not hold (any more); the message names it. A fault."""


class KeyForged(Exception):
    """A wrapped key was changed, or belongs to another room or author. A fault."""


class KeyRing:
    """Private keys by id. Ids are made from the public keys, so no two keys share one and none is given by hand."""

    def __init__(self, pems: Sequence[str], *, is_for_development: bool = False) -> None:
        """`pems` are texts in PEM form. Raises ValueError for what is no RSA key of 3072 bits or more.

        `is_for_development`: nobody chose the key; it was made and lies beside the checkout.
        """
        keys = [_read(pem.strip()) for pem in pems]
        if not keys:
            raise ValueError("a key ring needs a key")
        self._keys = {_id_of(key): key for key in keys}
        self.current = _id_of(keys[0])
        self.is_for_development = is_for_development

    @property
    def ids(self) -> tuple[str, ...]:
        """That which wraps first."""
        return tuple(self._keys)

    def bits_of(self, id: str) -> int | None:
        """The size of a key; None for one that the ring does not hold."""
        key = self._keys.get(id)
        return None if key is None else key.key_size

    def wrap(self, secret: bytes, *, belongs_to: bytes) -> bytes:
        """`belongs_to` has to be the same to unwrap."""
        return self._keys[self.current].public_key().encrypt(secret, _padding(belongs_to))

    def unwrap(self, wrapped: bytes, *, by: str, belongs_to: bytes) -> bytes:
        """Takes a millisecond or two of CPU: not on the loop. Raises `WrappingKeyMissing` and `KeyForged`."""
        key = self._keys.get(by)
        if key is None:
            raise WrappingKeyMissing(f"wrapping key {by} is not in the ring")
        try:
            return key.decrypt(wrapped, _padding(belongs_to))
        except ValueError:
            raise KeyForged("a wrapped key does not open in its place") from None


def new_wrapping_key() -> str:
    """In PEM form. Takes some tenths of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=MIN_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


# Checking that a key is one takes 0.2 s of CPU.
@lru_cache(16)
def _read(pem: str) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("a key is not a private key in PEM form without a passphrase") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MIN_BITS:
        raise ValueError(f"a key is not an RSA key of {MIN_BITS} bits or more")
    return key


def _id_of(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return sha256(public).hexdigest()[:16]


def _padding(belongs_to: bytes) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=belongs_to)
