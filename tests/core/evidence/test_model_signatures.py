"""Versions and packs are signed as OpenSSF Model Signing says: each byte is checked with `cryptography` alone."""

import base64
import hashlib
import json
import shutil
from pathlib import Path, PurePosixPath

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from console.cli.main import main
from core.api import MLOpsConfig, ModelRegistry
from core.errors import ExitCode
from core.evidence import EvidencePacks, signature_of_version, verify_pack
from core.evidence.signing import SIGNATURE
from core.governance import ModelKeyError
from core.governance.model_keys import ModelKeys
from core.governance.model_signing import is_bundle_about, statement_of_files
from core.registry import HashMismatchError, ModelVersion, Registry, VersionNotFoundError
from core.registry.records import Records
from core.state import Workspace
from core.state.brief import whole
from tests.core.evidence.conftest import ANA

IGNORED = {".git", ".gitattributes", ".github", ".gitignore"}


@pytest.fixture
def registered(demo: Workspace, tmp_path: Path) -> ModelVersion:
    """A version with files whose order by path differs from that by letters, and one that the format leaves out."""
    source = tmp_path / "made"
    for name in ("a/z.txt", "a-b.txt", "a.txt", "ä.txt", ".gitignore"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    return Registry(demo).register("pricing", source, metrics={}, lineage={}, gates=(), actor=ANA)


@pytest.fixture
def public(demo: Workspace) -> Path:
    return demo.keys_dir / "model-signing.pub"


def opened(content: bytes, public: Path) -> dict:
    """Check a bundle as its sources say; return the statement. Raises InvalidSignature."""
    bundle = json.loads(content)
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    pem = public.read_bytes()
    assert bundle["verificationMaterial"] == {
        "publicKey": {"hint": hashlib.sha256(pem).hexdigest()},
        "tlogEntries": [],
    }
    envelope = bundle["dsseEnvelope"]
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    assert kind == "application/vnd.in-toto+json"
    signed = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload])
    (signature,) = envelope["signatures"]
    key = load_pem_public_key(pem)
    assert isinstance(key.curve, SECP256R1)
    key.verify(base64.b64decode(signature["sig"]), signed, ECDSA(SHA256()))
    return json.loads(payload)


def require_about(statement: dict, folder: Path, *, beside: str = "") -> None:
    """Hash a folder, and find each file in a statement, in order, and their digest."""
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    predicate = statement["predicate"]
    ignored = IGNORED | ({beside} if beside else set())
    serialization = predicate["serialization"]
    assert set(serialization.pop("ignore_paths")) == ignored
    assert serialization == {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    paths = [PurePosixPath(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]
    paths = sorted(path for path in paths if path.parts[0] not in ignored)
    hashes = [hashlib.sha256((folder / path).read_bytes()) for path in paths]
    assert predicate["resources"] == [
        {"name": str(path), "algorithm": "sha256", "digest": found.hexdigest()}
        for path, found in zip(paths, hashes, strict=True)
    ]
    root = hashlib.sha256(b"".join(found.digest() for found in hashes)).hexdigest()
    assert [each["digest"] for each in statement["subject"]] == [{"sha256": root}]


def test_a_version_is_signed_at_its_registration_over_each_of_its_files(demo, registered, public):
    assert whole(registered).model_signature
    content = signature_of_version(demo, "pricing", registered.version)
    assert json.loads(content)["dsseEnvelope"]["signatures"][0]["sig"] == whole(registered).model_signature
    statement = opened(content, public)
    require_about(statement, demo.artifacts_dir / registered.path)
    assert {"MANIFEST.json", "registration.json"} <= {each["name"] for each in statement["predicate"]["resources"]}


def test_an_edited_payload_or_another_key_is_found(demo, registered, public, tmp_path):
    content = signature_of_version(demo, "pricing", registered.version)
    bundle = json.loads(content)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload.replace(b"a.txt", b"b.txt")).decode()
    with pytest.raises(InvalidSignature):
        opened(json.dumps(bundle).encode(), public)
    (tmp_path / "other").mkdir()
    other = ModelKeys(tmp_path / "other").public_key()
    assert is_bundle_about(content, payload, public.read_text())
    assert not is_bundle_about(content, payload, other)
    assert not is_bundle_about(content, payload + b" ", public.read_text())


@pytest.mark.parametrize("content", [b"", b"x", b"{}", b"[" * 2_000, b'{"mediaType":1}', b"\xff"])
def test_what_is_no_signature_and_no_key_is_refused(content):
    statement = statement_of_files("x", {"a": "ab" * 32})
    assert not is_bundle_about(content, statement, "")
    assert not is_bundle_about(content, statement, "-----BEGIN PUBLIC KEY-----\n\ud800")


def test_the_key_is_made_once_for_its_owner_only_with_its_public_half_beside_it(demo, registered, public):
    private = demo.keys_dir / "model-signing.key"
    assert [oct(file.stat().st_mode & 0o777) for file in (private, public)] == ["0o600", "0o644"]
    content = private.read_bytes()
    assert ModelKeys(demo.keys_dir).public_key() == public.read_text()
    assert private.read_bytes() == content


def test_a_version_of_an_earlier_release_is_signed_on_demand_with_the_same_bytes(demo, registered, public):
    wanted = signature_of_version(demo, "pricing", registered.version)
    before = (demo.artifacts_dir / registered.path / "MANIFEST.json").read_bytes()
    forget(demo, registered)
    assert signature_of_version(demo, "pricing", registered.version) == wanted
    assert (demo.artifacts_dir / registered.path / "MANIFEST.json").read_bytes() == before


def test_a_signature_of_a_lost_key_is_replaced_by_one_of_the_present_key(demo, registered, public):
    public.unlink()
    public.with_suffix(".key").unlink()
    opened(signature_of_version(demo, "pricing", registered.version), public)


def test_an_account_without_the_key_gets_the_signature_on_record_and_makes_no_key(demo, registered, public, called):
    wanted = signature_of_version(demo, "pricing", registered.version)
    for name in ("model-signing.key", "audit-signing.key"):
        (demo.keys_dir / name).unlink(missing_ok=True)
    assert signature_of_version(demo, "pricing", registered.version) == wanted
    forget(demo, registered)
    with pytest.raises(ModelKeyError, match="cannot be read by this account"):
        signature_of_version(demo, "pricing", registered.version)
    code, _, err = called(main, "registry", "signature", "pricing", registered.version, "--workspace", demo.root)
    assert (code, "model-signing.key cannot be read" in err) == (ExitCode.REFUSED, True)
    assert not public.with_suffix(".key").exists()


def test_a_damaged_key_signs_nothing_and_refuses_no_registration(demo, registered, public, tmp_path):
    public.with_suffix(".key").chmod(0o600)
    public.with_suffix(".key").write_text("damaged")
    (tmp_path / "made" / "a.txt").write_text("another")
    later = Registry(demo).register("pricing", tmp_path / "made", metrics={}, lineage={}, gates=(), actor=ANA)
    assert whole(later).model_signature == ""
    with pytest.raises(ModelKeyError, match=r"model-signing\.key cannot be read"):
        signature_of_version(demo, "pricing", later.version)


def test_a_changed_manifest_or_no_version_is_refused(demo, registered):
    with pytest.raises(VersionNotFoundError, match=r"9\.9\.9"):
        signature_of_version(demo, "spread", "9.9.9")
    file = demo.artifacts_dir / registered.path / "MANIFEST.json"
    file.chmod(0o600)
    file.write_text("{}")
    with pytest.raises(HashMismatchError, match=r"pricing .*MANIFEST\.json"):
        signature_of_version(demo, "pricing", registered.version)


def test_commands_and_programs_get_the_same_bytes(demo, registered, tmp_path, called):
    wanted = signature_of_version(demo, "pricing", registered.version)
    words = ["registry", "signature", "pricing", registered.version, "--workspace", demo.root]
    assert called(main, *words) == (ExitCode.GOOD, wanted.decode(), "")
    out = tmp_path / "pricing.sig"
    code, said, _ = called(main, *words, "--out", out)
    assert (code, out.read_bytes()) == (ExitCode.GOOD, wanted)
    assert said == f"{out}: signature of pricing {registered.version}, OpenSSF Model Signing 1.0\n"
    registry = ModelRegistry(MLOpsConfig.from_yaml(workspace=demo.root))
    assert registry.model_signature("pricing", registered.version) == wanted


def test_a_pack_is_signed_over_its_folder_and_its_manifest_names_the_key(packs, built, public):
    folder = packs.folder_of(built)
    require_about(opened((folder / SIGNATURE).read_bytes(), public), folder, beside=SIGNATURE)
    assert packs.manifest(built.pack_id).model_key == public.read_text()


def test_each_edited_byte_of_the_signature_of_a_pack_is_found_and_its_file_named(packs, built, key, tmp_path):
    folder = tmp_path / "auditor"
    shutil.copytree(packs.folder_of(built), folder)
    file = folder / SIGNATURE
    content = file.read_bytes()
    file.chmod(0o600)
    for at in range(0, len(content), 25):
        for changed in (content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], content[:at] + content[at + 1 :]):
            file.write_bytes(changed)
            (damage,) = verify_pack(folder, key).damage
            assert damage.startswith(f"{SIGNATURE} was edited"), at
    file.unlink()
    assert verify_pack(folder, key).damage == (f"{SIGNATURE} is missing",)
    file.write_bytes(content)
    assert verify_pack(folder, key).ok


def test_a_pack_of_an_earlier_release_without_the_signature_stays_intact(packs, built, key, demo, tmp_path):
    from core.evidence.signing import encoded_manifest
    from core.governance.keys import AuditKeys

    folder = tmp_path / "auditor"
    shutil.copytree(packs.folder_of(built), folder)
    (folder / SIGNATURE).unlink()
    earlier = msgspec.structs.replace(packs.manifest(built.pack_id), model_key=msgspec.UNSET)
    signed = msgspec.structs.replace(earlier, signature=AuditKeys(demo.keys_dir).sign(earlier.message()))
    (folder / "manifest.json").chmod(0o600)
    (folder / "manifest.json").write_bytes(encoded_manifest(signed))
    assert "model_key" not in json.loads((folder / "manifest.json").read_bytes())
    assert verify_pack(folder, key).ok


def test_a_pack_is_not_built_with_a_damaged_key(demo, described, public):
    public.with_suffix(".key").chmod(0o600)
    public.with_suffix(".key").write_text("damaged")
    with pytest.raises(ModelKeyError, match="restore the original file"):
        EvidencePacks(demo).of_version("spread", described, actor=ANA)
    assert not list((demo.reports_dir / "evidence").glob("ev-*"))


def forget(workspace: Workspace, version: ModelVersion) -> None:
    """Take the signature from the record of a version, as an earlier release wrote it."""
    records = Records(workspace)
    with records.database.transaction():
        records.versions.replace(msgspec.structs.replace(whole(records.versions.get(version.key)), model_signature=""))
    assert whole(Registry(workspace).get(version.model, version.version)).model_signature == ""
