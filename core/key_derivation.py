"""Keys of a fixed length from the key of a person, by scrypt.

Source:
    Percival and Josefsson, RFC 7914, The scrypt Password-Based Key Derivation Function, 2016.
"""

import secrets

import msgspec

_MOST_MEMORY, _MOST_WORK = 1 << 22, 1 << 22  # n × r, and n × r × p: 512 MiB, and 16 times the work of ours


class KeyDerivation(msgspec.Struct, frozen=True, kw_only=True):
    """How keys are derived, and a text by which the right key is known."""

    salt: str
    n: int = 1 << 15
    r: int = 8
    p: int = 1
    check: str = ""


def fresh_derivation() -> KeyDerivation:
    """Return a derivation with a random salt, and no check yet."""
    return KeyDerivation(salt=secrets.token_hex(16))


def derived_key(key: bytes, derivation: KeyDerivation, n_bytes: int) -> bytes:
    """Derive a key; takes a tenth of a second by design.

    Args:
        key: The key of a person.
        derivation: How it is derived.
        n_bytes: The length of the result.
    Raises:
        ValueError: The derivation cannot be used, or would take too much memory or time: somebody edited the file.
    """
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    n, r, p = derivation.n, derivation.r, derivation.p
    if min(n, r, p) < 1:
        raise ValueError("the derivation of the key cannot be used")
    if n * r > _MOST_MEMORY or n * r * p > _MOST_WORK:
        raise ValueError("the derivation of the key would take too much memory or time")
    if not derivation.check.isascii():
        raise ValueError("the check of the key is no hash")
    return Scrypt(salt=bytes.fromhex(derivation.salt), length=n_bytes, n=n, r=r, p=p).derive(key)
