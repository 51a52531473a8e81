"""Signatures inside JSON documents, in the JSON Signature Format: the one that CycloneDX has a place for.

The signature covers the whole document in the canonical form of RFC 8785, also the rest of the signature itself, with
its public key. The key is that of `model_keys`: ECDSA P-256, deterministic, so equal documents have equal signatures.

Sources:
    JSON Signature Format, https://cyberphone.github.io/doc/security/jsf.html
    RFC 8785, JSON Canonicalization Scheme; RFC 7518, sections 3.4 and 6.2, ES256 and its keys
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson

from core.governance.model_keys import ModelKeys, model_key_in

SIGNATURE_FIELD: Final = "signature"
_COORDINATE_BYTES = 32


def json_signed(document: Mapping[str, Any], keys: ModelKeys) -> dict[str, Any]:
    """Return a document with its signature, in place of one that it has; the key pair is made on first use.

    Args:
        document: A JSON object of texts, lists, objects, truths and whole numbers below 2^53, with ASCII keys: of
            these, sorted keys without spaces are the canonical form.
        keys: The keys of the workspace.
    Raises:
        TypeError: Something else is in the document.
        ModelKeyError: The key cannot be read.
        FileAccessError: It cannot be made.
    """
    unsigned = {name: value for name, value in document.items() if name != SIGNATURE_FIELD}
    signature = {"algorithm": "ES256", "publicKey": _public_fields(keys.public_key())}
    value = _fixed_length(keys.sign(_canonical({**unsigned, SIGNATURE_FIELD: signature})))
    return {**unsigned, SIGNATURE_FIELD: {**signature, "value": _encoded(value)}}


def _canonical(document: Mapping[str, Any]) -> bytes:
    _require_plain(document)
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)


def _require_plain(value: object) -> None:
    """Refuse what RFC 8785 writes otherwise than sorting does: fractions, and keys beyond ASCII."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise TypeError(f"{name!r} is no ASCII key")
            _require_plain(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _require_plain(each)
    elif value is not None and not isinstance(value, str | int):  # a truth is an int
        raise TypeError(f"a {type(value).__name__} has no canonical form here")


def _public_fields(public_key: str) -> dict[str, str]:
    numbers = model_key_in(public_key.encode()).public_numbers()
    x, y = (_encoded(number.to_bytes(_COORDINATE_BYTES)) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _fixed_length(der: bytes) -> bytes:
    """Return a signature as JWS writes it: both numbers, one behind the other."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(number.to_bytes(_COORDINATE_BYTES) for number in decode_dss_signature(der))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
