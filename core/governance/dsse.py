"""Signed statements of the workspace: in-toto statements in DSSE envelopes, signed with Ed25519.

Sources:
    in-toto Statement v1, https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
    DSSE v1.0.0, https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
"""

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from core.files import digest
from core.governance.keys import AuditKeys
from core.json_documents import decode_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_MOST_SIGNATURES = 16


class _Signature(msgspec.Struct, frozen=True):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    payload: str
    payloadType: str  # noqa: N815 - DSSE's name
    signatures: tuple[_Signature, ...]


def enveloped(statement: Mapping[str, Any], keys: AuditKeys) -> dict[str, Any]:
    """Sign a statement with the key of a workspace, which is made on first use.

    Raises:
        AuditKeyError: The key cannot be read or made.
    """
    payload = orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)
    signature = bytes.fromhex(keys.sign(signed_bytes(payload)))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": digest(bytes.fromhex(keys.public_key())), "sig": base64.b64encode(signature).decode()}
        ],
    }


def opened_statement(envelope: str, key: "Ed25519PublicKey") -> dict[str, Any] | None:
    """Return the statement of an envelope if a key has signed it; None if it has not, or there is no envelope.

    Args:
        envelope: The envelope as JSON. It may be anything.
        key: The key.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        read = decode_json(envelope.encode(), type=_Envelope)
        payload = base64.b64decode(read.payload, validate=True)
        if read.payloadType != PAYLOAD_TYPE:
            return None
        for each in read.signatures[:_MOST_SIGNATURES]:
            try:
                key.verify(base64.b64decode(each.sig, validate=True), signed_bytes(payload))
            except InvalidSignature:
                continue
            statement = decode_json(payload)
            return statement if isinstance(statement, dict) else None
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None
    return None


def signed_bytes(payload: bytes) -> bytes:
    """Return the bytes that a signature covers: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
