"""Signatures of folders in the format of OpenSSF Model Signing, which `model_signing verify key` accepts.

A signature is a Sigstore bundle with a DSSE envelope, signed with ECDSA P-256 over an in-toto statement. The statement
names every file of the folder with its SHA-256. The same files and the same key give the same bytes: the signature is
deterministic (RFC 6979), and no clock is in it.

Sources:
    OpenSSF Model Signing, https://github.com/sigstore/model-transparency (model-signing 1.1: statement, bundle)
    Sigstore bundle v0.3, https://docs.sigstore.dev/about/bundle/
    in-toto Statement v1, https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
    DSSE v1.0.0, https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
import orjson

from core.files import digest
from core.governance.dsse import PAYLOAD_TYPE, STATEMENT_TYPE, signed_bytes
from core.governance.model_keys import ModelKeys, is_signed_by, model_key_in
from core.json_documents import decode_json

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
UNSIGNED_NAMES: Final = (".git", ".gitattributes", ".github", ".gitignore")
"""What the verifier leaves out at the top of a folder, whoever signed it: a signature that names it is refused."""


class _KeyHint(msgspec.Struct, frozen=True):
    hint: str


class _Material(msgspec.Struct, frozen=True):
    publicKey: _KeyHint  # noqa: N815 - Sigstore's name


class _BundledSignature(msgspec.Struct, frozen=True):
    sig: str


class _BundledEnvelope(msgspec.Struct, frozen=True):
    payload: str
    payloadType: str  # noqa: N815 - DSSE's name
    signatures: tuple[_BundledSignature, ...]


class _Bundle(msgspec.Struct, frozen=True):
    mediaType: str  # noqa: N815 - Sigstore's name
    verificationMaterial: _Material  # noqa: N815 - Sigstore's name
    dsseEnvelope: _BundledEnvelope  # noqa: N815 - Sigstore's name


def statement_of_files(name: str, files: Mapping[str, str], *, beside: str = "") -> bytes:
    """Return the statement about a folder, the payload of its signature.

    Args:
        name: What the folder is, such as "spread/1.4.0"; a verifier does not compare it.
        files: The SHA-256 of every file, as hex digits, by its path inside the folder.
        beside: The name of the signature's own file, if that lies in the folder.

    Returns:
        An in-toto statement, with the files in the order of their paths. Its subject is the SHA-256 over their digests.
    """
    signed = {path: sha256 for path, sha256 in files.items() if PurePosixPath(path).parts[0] not in UNSIGNED_NAMES}
    ordered = sorted(signed, key=PurePosixPath)
    root = hashlib.sha256(b"".join(bytes.fromhex(signed[path]) for path in ordered)).hexdigest()
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": root}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [*UNSIGNED_NAMES, *([beside] if beside else [])],
            },
            "resources": [{"name": path, "algorithm": "sha256", "digest": signed[path]} for path in ordered],
        },
    }
    return orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)


def signature_of(statement: bytes, keys: ModelKeys) -> str:
    """Sign a statement; the key pair is made on first use.

    Returns:
        The ECDSA signature over DSSE's pre-authentication encoding, in DER, as base64.

    Raises:
        ModelKeyError: The key cannot be read.
        FileAccessError: The key cannot be made.
    """
    return base64.b64encode(keys.sign(signed_bytes(statement))).decode()


def bundle_of(statement: bytes, signature: str, public_key: str) -> bytes:
    """Return the bytes of a signature file.

    Args:
        statement: The statement.
        signature: Its signature, as `signature_of` returns it.
        public_key: The public key in PEM.
    """
    bundle: dict[str, Any] = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": digest(public_key.encode())}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": signature, "keyid": ""}],
        },
    }
    return orjson.dumps(bundle, option=orjson.OPT_INDENT_2) + b"\n"


def is_valid(statement: bytes, signature: str, public_key: str) -> bool:
    """Say whether a signature belongs to a statement and to a public key in PEM; each may be anything."""
    try:
        key = model_key_in(public_key.encode())
        found = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        return False
    return is_signed_by(key, signed_bytes(statement), found)


def is_bundle_about(content: bytes, statement: bytes, public_key: str) -> bool:
    """Say whether the bytes of a signature file are a signature of a statement by a key.

    Args:
        content: The bytes. They may be anything.
        statement: The statement that must be signed.
        public_key: The public key in PEM, which may be anything, too.
    """
    try:
        signature = decode_json(content, type=_Bundle).dsseEnvelope.signatures[0].sig
    except (msgspec.DecodeError, IndexError, ValueError):
        return False
    return content == bundle_of(statement, signature, public_key) and is_valid(statement, signature, public_key)
