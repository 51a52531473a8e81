"""Checking a pack on any machine: with the public key, and without the workspace, its log and its secrets."""

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import orjson

from core.errors import NotFoundError
from core.escape import is_shown_as_is, shown
from core.evidence.log_proof import faults_of
from core.evidence.pack import EvidencePack, PackManifest
from core.evidence.signing import (
    DATA,
    MANIFEST,
    PAGE,
    SIGNATURE,
    encoded_manifest,
    hex_of,
    is_signed,
    pack_statement,
    part_hashes,
    read_public_key,
)
from core.files import digest
from core.governance.anchors import Anchor
from core.governance.chain import Link
from core.governance.model_signing import UNSIGNED_NAMES, is_bundle_about
from core.governance.verification import signed_message
from core.json_documents import decode_json
from core.plain_files import open_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MOST_BYTES = 256 << 20
_MOST_ADDED = 20  # files that are named


class PackVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of checking a pack."""

    ok: bool
    pack_id: str = ""
    subject: str = ""
    built_at: datetime | None = None
    n_sources: int = 0
    n_records: int = 0  # audit records that are proved to be in the log
    n_vouched: int = 0  # sources that an audit record, or a list of files, vouches for
    audit_sequence: int = 0
    n_anchors: int = 0  # anchors, kept elsewhere, that the pack agrees with
    damage: tuple[str, ...] = ()  # a sentence for each fault


def verify_pack(file: Path, key: Path, anchors: Sequence[Anchor] = (), *, beside: Collection[Path] = ()) -> PackVerdict:
    """Check a pack from its signature to each quoted record.

    Args:
        file: The folder of the pack, or any of its files.
        key: The public key of the workspace that built it, in PEM.
        anchors: Positions of its audit log that were kept elsewhere.
        beside: Files of the caller that may lie in the folder without being of the pack; the key is one.

    Raises:
        NotFoundError: There is no pack, or the named file is missing and not of the pack.
        UsageError: The key cannot be read.
    """
    folder = file if file.is_dir() else file.parent
    public = read_public_key(key)
    content = _read(folder / MANIFEST)
    if content is None:
        raise NotFoundError(f"{shown(str(folder), most=300)} holds no evidence pack: {MANIFEST} is missing.")
    try:
        manifest = decode_json(content, type=PackManifest)
    except msgspec.DecodeError as error:
        return PackVerdict(ok=False, damage=(f"{MANIFEST} was edited: it cannot be read ({shown(str(error))})",))
    damage = _faults_of_manifest(manifest, content, public)
    if not damage:
        damage += _faults_of_signature(manifest, content, _read(folder / SIGNATURE))
    if not file.exists() and file.name not in {*manifest.files, MANIFEST, SIGNATURE}:
        raise NotFoundError(
            f"There is no {shown(str(file), most=300)}: name the folder of the pack, or one of its files."
        )
    damage += _unlisted(folder, manifest, {_place(each) for each in (key, *beside)})
    contents = {name: _read(folder / name) for name in dict.fromkeys((PAGE, DATA, *manifest.files))}
    damage += [
        f"{name} is missing" if found is None else f"{name} was edited: its SHA-256 is not that in {MANIFEST}"
        for name, found in contents.items()
        if found is None or digest(found) != manifest.files.get(name)
    ]
    pack = _pack(contents[DATA])
    if pack is None:
        return _verdict(manifest, damage)
    damage += _edited_parts(pack, manifest)
    damage += _faults_of_log(pack, manifest, public)
    n_anchors, faults = _held_against(pack, anchors)
    return _verdict(manifest, damage + faults, pack, n_anchors)


def _verdict(
    manifest: PackManifest, damage: Sequence[str], pack: EvidencePack | None = None, n_anchors: int = 0
) -> PackVerdict:
    sources = pack.sources if pack else ()
    return PackVerdict(
        ok=not damage,
        pack_id=manifest.pack_id,
        subject=manifest.subject,
        built_at=manifest.built_at,
        n_sources=len(sources),
        n_records=len(pack.proof.records) if pack else 0,
        n_vouched=sum(bool(source.record or source.within) for source in sources),
        audit_sequence=manifest.audit_sequence,
        n_anchors=n_anchors,
        damage=tuple(damage),
    )


def _faults_of_manifest(manifest: PackManifest, content: bytes, public: "Ed25519PublicKey") -> list[str]:
    if manifest.public_key != hex_of(public):
        return [f"{MANIFEST} was signed with another key than this one, or was edited"]
    if content != encoded_manifest(manifest) or not is_signed(public, manifest.message(), manifest.signature):
        return [f"{MANIFEST} was edited: its signature is not valid"]
    return []


def _unlisted(folder: Path, manifest: PackManifest, beside: Collection[Path]) -> list[str]:
    """Name what lies in the folder and was not signed: a reader would take it for a part of the pack.

    Left out is what the signature for foreign verifiers leaves out, itself included if the manifest says who made it.
    """
    known = {*manifest.files, MANIFEST, *UNSIGNED_NAMES, *([SIGNATURE] if isinstance(manifest.model_key, str) else [])}
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError as error:
        return [f"the folder of the pack cannot be listed ({error.strerror or error}), so nobody knows what is added"]
    added = [name for name in names if name not in known and _place(folder / name) not in beside]
    faults = [
        f"{_name(name)} was added: {MANIFEST} does not list it, so nobody signed it" for name in added[:_MOST_ADDED]
    ]
    if more := len(added) - len(faults):
        faults.append(f"{more:,} more files were added, which {MANIFEST} does not list")
    return faults


def _name(name: str) -> str:
    return name if is_shown_as_is(name) else shown(name)


def _place(file: Path) -> Path:
    return Path(os.path.realpath(file.parent)) / file.name


def _faults_of_signature(manifest: PackManifest, content: bytes, signature: bytes | None) -> list[str]:
    """Check the signature for foreign verifiers under a sound manifest; packs of earlier releases have none."""
    if not isinstance(manifest.model_key, str):
        return []
    if signature is None:
        return [f"{SIGNATURE} is missing"]
    if not is_bundle_about(signature, pack_statement(manifest, content), manifest.model_key):
        return [f"{SIGNATURE} was edited: it is no signature of this folder by the key in {MANIFEST}"]
    return []


def _pack(content: bytes | None) -> EvidencePack | None:
    """Read a pack that may have been edited; None if it cannot be read at all."""
    if content is None:
        return None
    try:
        return decode_json(content, type=EvidencePack)
    except msgspec.DecodeError:
        return None


def _edited_parts(pack: EvidencePack, manifest: PackManifest) -> list[str]:
    sections, sources = part_hashes(pack)
    titles = {str(section.number): section.title for section in pack.sections}
    places = {source.id: source.place for source in pack.sources}
    found = []
    for kind, present, said, names in (
        ("section", sections, manifest.sections, titles),
        ("source", sources, manifest.sources, places),
    ):
        for name in {**said, **present}:
            if present.get(name) != said.get(name):
                how = "is missing" if name not in present else "was added" if name not in said else "was edited"
                found.append(f"{kind} {name} ({shown(names.get(name, ''))}) {how}")
    return found


def _faults_of_log(pack: EvidencePack, manifest: PackManifest, public: "Ed25519PublicKey") -> list[str]:
    proof = pack.proof
    if (proof.sequence, proof.hash, proof.root) != (manifest.audit_sequence, manifest.audit_hash, manifest.audit_root):
        return ["the position of the audit log is not the signed one"]
    try:
        faults = faults_of(proof, pack.sources)
        by_sequence = {quoted.sequence: orjson.loads(quoted.line) for quoted in proof.records}
        if proof.signed_by:
            after = by_sequence[proof.signed_by]["after"]
            link = Link(after["sequence"], after["hash"])
            if not is_signed(public, signed_message(link), after["signature"]):
                faults.append(f"record {proof.signed_by} holds a signature of another key")
    except (ValueError, KeyError, TypeError, orjson.JSONDecodeError) as error:
        return [f"the proof of the audit records cannot be read ({type(error).__name__})"]
    return faults


def _held_against(pack: EvidencePack, anchors: Sequence[Anchor]) -> tuple[int, list[str]]:
    """Compare anchors with the quoted records; an anchor about another record says nothing."""
    hashes = {}
    for quoted in pack.proof.records:
        try:
            hashes[quoted.sequence] = orjson.loads(quoted.line)["hash"]
        except (ValueError, KeyError, TypeError):
            continue  # named by the proof
    about = [anchor for anchor in anchors if anchor.sequence in hashes]
    faults = [
        f"record {anchor.sequence} is not the one that was anchored at {anchor.at:%Y-%m-%d %H:%M} UTC"
        for anchor in about
        if hashes[anchor.sequence] != anchor.hash
    ]
    if anchors and not about:
        faults.append(f"no anchor is about a record that the pack quotes; its newest is record {pack.proof.sequence}")
    return len(about) - len(faults) if about else 0, faults


def _read(file: Path) -> bytes | None:
    try:
        with open_regular(file) as opened:
            return opened.read(_MOST_BYTES)
    except OSError:
        return None
