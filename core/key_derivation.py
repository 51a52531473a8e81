"""Keys of a fixed length from the key of a person, by scrypt.

Source:
    Percival and Josefsson, RFC 7914, The scrypt Password-Based Key Derivation Function, 2016.
"""

import secrets

import msgspec

_MOST_N, _MOST_R = 1 << 18, 16  # a file that somebody edited must not take all memory


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
        ValueError: The derivation cannot be used, or would take too much memory.
    """
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    if derivation.n > _MOST_N or derivation.r > _MOST_R or derivation.p > _MOST_R:
        raise ValueError("the derivation of the key would take too much memory")
    salt = bytes.fromhex(derivation.salt)
    return Scrypt(salt=salt, length=n_bytes, n=derivation.n, r=derivation.r, p=derivation.p).derive(key)
