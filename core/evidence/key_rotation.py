"""The keys that sign versions and packs for foreign verifiers: the present one, those before it, and their rotation.

A former key signs nothing any more, but what it has signed stays valid. A key that leaked is another matter: whoever
has it can sign anything, so that its signatures prove nothing, and every version is signed by the present key at once.
"""

from datetime import datetime

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import CoreError, NotFoundError, RefusedError
from core.escape import shown
from core.evidence.packs import EvidencePacks
from core.governance.audit import audited, require_access
from core.governance.model_keys import PUBLIC_NAME, ModelKeys, fingerprint_of
from core.governance.model_signing import is_valid, signature_of
from core.registry.artifacts import ArtifactStore
from core.registry.documents import FormerModelKey, ModelVersion
from core.registry.file_signatures import version_statement
from core.registry.records import DATABASE, Records
from core.state.brief import whole
from core.state.workspace import Workspace

ROTATE = "key.rotate"


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that signs versions and packs, or did."""

    fingerprint: str  # the first digits of the SHA-256 of its file, and of the hint in a signature
    file: str  # its public half, below the workspace
    is_present: bool
    has_leaked: bool = False
    until: datetime | None = None  # when it was replaced; None as well if nobody recorded that
    n_versions: int = 0  # whose signature on record is by it


class KeyRotation(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation has done."""

    former: str  # fingerprints
    present: str
    former_file: str
    has_leaked: bool
    n_signed: int = 0  # versions that the present key signed, since the former one leaked
    unsigned: tuple[str, ...] = ()  # versions whose manifest is not the registered one, and why
    packs: tuple[str, ...] = ()  # that carry a signature of a key that leaked


def signing_keys(workspace: Workspace) -> list[SigningKey]:
    """Return the keys, the present one first and the others from the newest on; none before the first signature."""
    keys, records = ModelKeys(workspace.keys_dir), Records(workspace)
    recorded = {each.fingerprint: each for each in records.former_keys.all()}
    present, former = keys.public_key_on_file(), keys.former_keys()
    signers = _signers(workspace, records, {**former, **({fingerprint_of(present): present} if present else {})})
    found = []
    if present:
        own = fingerprint_of(present)
        file = f"{workspace.keys_dir.name}/{PUBLIC_NAME}"
        found.append(SigningKey(fingerprint=own, file=file, is_present=True, n_versions=signers.count(own)))
    others = [
        SigningKey(
            fingerprint=each,
            file=f"{workspace.keys_dir.name}/{keys.former_file(each).name}",
            is_present=False,
            has_leaked=each in recorded and recorded[each].has_leaked,
            until=recorded[each].until if each in recorded else None,
            n_versions=signers.count(each),
        )
        for each in former
        if not present or each != fingerprint_of(present)
    ]
    return found + sorted(others, key=lambda each: each.until.timestamp() if each.until else 0.0, reverse=True)


def rotate_signing_key(
    workspace: Workspace,
    *,
    actor: Actor,
    has_leaked: bool = False,
    former: str = "",
    reason: str = "",
    clock: Clock = utc_now,
) -> KeyRotation:
    """Replace the key that signs versions and packs; what the former one has signed stays valid unless it leaked.

    Args:
        workspace: The workspace.
        actor: The author.
        has_leaked: Whether somebody else may have the former key: then every version is signed anew.
        former: The fingerprint of a former key that leaked, by which the present one stays; only with `has_leaked`.
        reason: The reason, for the audit log.
        clock: The time.

    Raises:
        AccessRefusedError: The actor may not.
        NotFoundError: There is no former key of this fingerprint.
        RefusedError: No key has signed anything yet, or a former key is named that is not said to have leaked.
        ModelKeyError: The present key cannot be read.
        FileAccessError: The new one cannot be written.
    """
    keys, records = ModelKeys(workspace.keys_dir), Records(workspace)
    require_access(workspace, actor, ROTATE, clock=clock)
    if former and not has_leaked:
        raise RefusedError("A former key signs nothing any more: name it only with --leaked.")
    if former and former not in (known := keys.former_keys()):
        raise NotFoundError(f"There is no former key {shown(former)}. Former keys: {', '.join(known) or 'none'}.")
    if not (former or keys.public_key_on_file()):
        raise RefusedError("No key has signed a version or a pack yet: there is nothing to rotate.")
    with audited(workspace, DATABASE, actor=actor, reason=reason, clock=clock) as change:
        if former:
            present = fingerprint_of(keys.public_key())
        else:
            former, present = map(fingerprint_of, keys.rotate())
        before = records.former_keys.find(former)
        if before is None:
            records.former_keys.insert(FormerModelKey(fingerprint=former, until=clock(), has_leaked=has_leaked))
        else:
            records.former_keys.replace(msgspec.structs.replace(before, has_leaked=has_leaked or before.has_leaked))
        n_signed, unsigned = _sign_anew(workspace, records, keys) if has_leaked else (0, [])
        after = {"former": former, "present": present, "leaked": has_leaked, "signed_anew": n_signed}
        change.record(ROTATE, present, after={**after, "not_signed": len(unsigned)})
    return KeyRotation(
        former=former,
        present=present,
        former_file=f"{workspace.keys_dir.name}/{keys.former_file(former).name}",
        has_leaked=has_leaked,
        n_signed=n_signed,
        unsigned=tuple(unsigned),
        packs=tuple(_packs_of(workspace, keys.former_keys().get(former, ""))) if has_leaked else (),
    )


def _sign_anew(workspace: Workspace, records: Records, keys: ModelKeys) -> tuple[int, list[str]]:
    """Sign every version by the present key that it has not signed; name those whose manifest is not the registered."""
    public_key, signed, unsigned = keys.public_key(), list[ModelVersion](), list[str]()
    for brief in records.versions.all():
        version = whole(brief)
        try:
            statement = _statement(workspace, version)
        except CoreError as error:
            unsigned.append(f"{version.key}: {error}")
            if version.model_signature:
                signed.append(msgspec.structs.replace(version, model_signature=""))
            continue
        if not is_valid(statement, version.model_signature, public_key):
            signed.append(msgspec.structs.replace(version, model_signature=signature_of(statement, keys)))
    records.versions.replace_all(signed)
    return sum(bool(version.model_signature) for version in signed), unsigned


def _signers(workspace: Workspace, records: Records, keys: dict[str, str]) -> list[str]:
    """Return the fingerprint of the key that has signed each version, of those that some key has."""
    found = []
    for brief in records.versions.all():
        version = whole(brief)
        if version.model_signature:
            try:
                statement = _statement(workspace, version)
            except CoreError:
                continue
            valid = (name for name, pem in keys.items() if is_valid(statement, version.model_signature, pem))
            found.extend(list(valid)[:1])
    return found


def _statement(workspace: Workspace, version: ModelVersion) -> bytes:
    """Return the statement about the files of a version.

    Raises:
        ChangedFileError: Its manifest is not the registered one.
    """
    manifest = ArtifactStore(workspace.artifacts_dir).manifest(version.model, version.version, version.manifest_sha256)
    return version_statement(version.key, manifest, version.manifest_sha256)


def _packs_of(workspace: Workspace, public_key: str) -> list[str]:
    """Return the packs whose folder a key has signed."""
    packs, found = EvidencePacks(workspace), []
    for pack in packs.all():
        try:
            manifest = packs.manifest(pack.pack_id)
        except CoreError:  # a damaged one is named by its verification
            continue
        if manifest.model_key == public_key:
            found.append(pack.pack_id)
    return found
