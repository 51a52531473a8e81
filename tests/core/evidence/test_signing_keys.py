"""The key of signatures for foreign verifiers is rotated: what the former one signed counts, unless it leaked."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from console.cli.main import main
from core.errors import ExitCode, NotFoundError, RefusedError
from core.evidence import EvidencePacks, rotate_signing_key, signature_of_version, signing_keys, verify_pack
from core.evidence.signing import SIGNATURE
from core.governance import AuditFilter, AuditLog
from core.governance.model_keys import ModelKeys, fingerprint_of, model_keys_in
from core.maintenance.backup import BackupRepository, create_backup, restore_workspace
from core.registry import ModelVersion, Registry
from core.state import Workspace
from core.state.brief import whole
from tests.core.evidence.conftest import ANA
from tests.core.evidence.test_model_signatures import opened, require_about

KEY = b"the key of backups"


@pytest.fixture
def register(demo: Workspace, tmp_path: Path):
    def register(content: str) -> ModelVersion:
        source = tmp_path / "made"
        source.mkdir(exist_ok=True)
        (source / "weights.txt").write_text(content)
        return Registry(demo).register("pricing", source, metrics={}, lineage={}, gates=(), actor=ANA)

    return register


@pytest.fixture
def public(demo: Workspace) -> Path:
    return demo.keys_dir / "model-signing.pub"


def former_file(workspace: Workspace, rotation) -> Path:
    return workspace.root / rotation.former_file


def verified(workspace: Workspace, version: ModelVersion, public: Path) -> dict:
    """Verify the signature of a version as a program of others does, over the files that lie there."""
    statement = opened(signature_of_version(workspace, "pricing", version.version), public)
    require_about(statement, workspace.artifacts_dir / version.path)
    return statement


def test_former_versions_verify_by_the_former_key_and_new_ones_by_the_new(demo, register, public):
    first = register("1")
    before = (signature_of_version(demo, "pricing", first.version), public.read_text())
    rotation = rotate_signing_key(demo, actor=ANA, reason="yearly")
    second = register("2")
    assert signature_of_version(demo, "pricing", first.version) == before[0]
    assert former_file(demo, rotation).read_text() == before[1]
    verified(demo, first, former_file(demo, rotation))
    verified(demo, second, public)
    for version, other in ((first, public), (second, former_file(demo, rotation))):
        content = json.loads(signature_of_version(demo, "pricing", version.version))
        content["verificationMaterial"]["publicKey"]["hint"] = hashlib.sha256(other.read_bytes()).hexdigest()
        with pytest.raises(InvalidSignature):
            opened(json.dumps(content).encode(), other)


def test_the_keys_are_listed_with_what_they_have_signed(demo, register, public):
    n_before = len(Registry(demo).versions())
    register("1")
    first = rotate_signing_key(demo, actor=ANA)
    register("2")
    register("3")
    second = rotate_signing_key(demo, actor=ANA)
    found = signing_keys(demo)
    assert [(each.fingerprint, each.is_present, each.n_versions) for each in found] == [
        (second.present, True, 0),
        (second.former, False, 2),
        (first.former, False, n_before + 1),
    ]
    assert [each.until is None for each in found] == [True, False, False]
    assert fingerprint_of(public.read_text()) == second.present
    record = AuditLog(demo).search(AuditFilter(verb="key.rotate"))[0]
    assert record.after["former"] == second.former
    assert AuditLog(demo).verify().ok


def test_the_private_half_of_a_former_key_is_gone_and_the_files_have_their_rights(demo, register, public):
    register("1")
    private = demo.keys_dir / "model-signing.key"
    before = private.read_bytes()
    rotation = rotate_signing_key(demo, actor=ANA)
    assert before not in [file.read_bytes() for file in demo.keys_dir.iterdir()]
    modes = [oct(file.stat().st_mode & 0o777) for file in (private, public, former_file(demo, rotation))]
    assert modes == ["0o600", "0o644", "0o644"]


def test_after_a_leak_every_version_is_signed_anew_and_the_leaked_key_counts_for_nothing(demo, register, public):
    versions = [register("1"), register("2")]
    packs = EvidencePacks(demo)
    pack = packs.of_version("pricing", versions[0].version, actor=ANA)
    rotation = rotate_signing_key(demo, actor=ANA, has_leaked=True, reason="on a stolen laptop")
    assert rotation.n_signed == len(Registry(demo).versions())
    assert rotation.unsigned == ()
    assert rotation.packs == (pack.pack_id,)
    for version in versions:
        verified(demo, version, public)
        with pytest.raises((InvalidSignature, AssertionError)):
            verified(demo, version, former_file(demo, rotation))
    assert {each.fingerprint: (each.has_leaked, each.n_versions) for each in signing_keys(demo)} == {
        rotation.present: (False, rotation.n_signed),
        rotation.former: (True, 0),
    }
    assert verify_pack(packs.folder_of(pack), packs.public_key_file).ok, "the key of the audit log vouches for it"
    again = packs.of_version("pricing", versions[0].version, actor=ANA)
    opened((packs.folder_of(again) / SIGNATURE).read_bytes(), public)


def test_a_signature_that_a_leaked_key_leaves_on_record_is_not_handed_out(demo, register, public, monkeypatch):
    version = register("1")
    leaked = signature_of_version(demo, "pricing", version.version)
    monkeypatch.setattr("core.evidence.key_rotation._sign_anew", lambda *_: (0, []))
    rotate_signing_key(demo, actor=ANA, has_leaked=True)
    assert signature_of_version(demo, "pricing", version.version) != leaked
    verified(demo, version, public)


def test_a_former_key_is_found_to_have_leaked_later(demo, register, public):
    version = register("1")
    rotation = rotate_signing_key(demo, actor=ANA)
    later = rotate_signing_key(demo, actor=ANA, has_leaked=True, former=rotation.former)
    assert (later.present, later.former) == (rotation.present, rotation.former)
    verified(demo, version, public)
    with pytest.raises(RefusedError, match="name it only with --leaked"):
        rotate_signing_key(demo, actor=ANA, former=rotation.former)
    with pytest.raises(NotFoundError, match=f"Former keys: {rotation.former}"):
        rotate_signing_key(demo, actor=ANA, has_leaked=True, former="0" * 16)


def test_a_version_whose_manifest_was_changed_is_named_and_signed_by_no_key(demo, register):
    version = register("1")
    file = demo.artifacts_dir / version.path / "MANIFEST.json"
    file.chmod(0o600)
    file.write_text("{}")
    rotation = rotate_signing_key(demo, actor=ANA, has_leaked=True)
    assert [each.partition(":")[0] for each in rotation.unsigned] == [version.key]
    assert whole(Registry(demo).get("pricing", version.version)).model_signature == ""


def test_a_backup_restored_on_another_machine_has_the_present_key_and_the_former_ones(demo, register, tmp_path):
    first = register("1")
    rotation = rotate_signing_key(demo, actor=ANA)
    second = register("2")
    made = create_backup(demo, tmp_path / "safe", KEY, actor=ANA)
    wanted = [signature_of_version(demo, "pricing", each.version) for each in (first, second)]
    target = tmp_path / "elsewhere" / "restored"
    restore_workspace(BackupRepository.open(tmp_path / "safe", KEY), made.backup_id, target, actor=ANA)
    restored = Workspace.open(target)
    assert [signature_of_version(restored, "pricing", each.version) for each in (first, second)] == wanted
    verified(restored, first, former_file(restored, rotation))
    verified(restored, second, restored.keys_dir / "model-signing.pub")
    assert signing_keys(restored) == signing_keys(demo)
    third = rotate_signing_key(restored, actor=ANA, has_leaked=True)
    assert third.former == rotation.present
    verified(restored, second, restored.keys_dir / "model-signing.pub")
    verified(restored, first, restored.keys_dir / "model-signing.pub")


def test_a_restored_backup_from_before_the_rotation_signs_by_the_key_of_its_time(demo, register, tmp_path):
    first = register("1")
    made = create_backup(demo, tmp_path / "safe", None, actor=ANA)
    rotation = rotate_signing_key(demo, actor=ANA, has_leaked=True)
    restore_workspace(BackupRepository.open(tmp_path / "safe", None), made.backup_id, tmp_path / "old", actor=ANA)
    old = Workspace.open(tmp_path / "old")
    assert [each.fingerprint for each in signing_keys(old)] == [rotation.former]
    again = rotate_signing_key(old, actor=ANA, has_leaked=True)
    assert again.former == rotation.former
    verified(old, first, old.keys_dir / "model-signing.pub")


def test_a_rotation_that_is_killed_leaves_a_pair_that_signs_and_verifies(demo, register, public):
    first = register("1")
    script = (
        "import os, signal, sys; from pathlib import Path; from core.governance import model_keys\n"
        "write, n = model_keys.write_file, [0]\n"
        "def once(path, *args, **more):\n"
        "    n[0] += 1\n"
        "    if n[0] == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return write(path, *args, **more)\n"
        "model_keys.write_file = once\n"
        "from core.evidence import rotate_signing_key; from core.state import Workspace\n"
        "from tests.core.evidence.conftest import ANA\n"
        "rotate_signing_key(Workspace.open(Path(sys.argv[1])), actor=ANA)\n"
    )
    for n in (1, 2):
        done = subprocess.run([sys.executable, "-c", script, str(demo.root), str(n)], capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        version = register(f"after {n}")
        verified(demo, version, public)
        former = [demo.root / each.file for each in signing_keys(demo) if not each.is_present]
        if former:
            verified(demo, first, former[0])
        else:
            verified(demo, first, public)
        assert AuditLog(demo).verify().ok
    assert former


def test_without_a_key_there_is_nothing_to_rotate(workspace):
    assert signing_keys(workspace) == []
    with pytest.raises(RefusedError, match="nothing to rotate"):
        rotate_signing_key(workspace, actor=ANA)
    assert not list(workspace.keys_dir.glob("model-signing*"))


def test_a_replica_takes_versions_of_every_key_in_its_file(demo, register, public):
    register("1")
    rotation = rotate_signing_key(demo, actor=ANA)
    both = public.read_text() + former_file(demo, rotation).read_text()
    assert model_keys_in(both) == [ModelKeys(demo.keys_dir).public_key(), former_file(demo, rotation).read_text()]


def test_commands_list_and_rotate(demo, register, called):
    version = register("1")
    words = ["evidence", "rotate-key", "--workspace", demo.root]
    code, out, err = called(main, *words, "--reason", "yearly")
    assert (code, err) == (ExitCode.GOOD, "")
    assert "signs no more; what it has signed verifies with keys/model-signing-" in out
    code, out, _ = called(main, "evidence", "keys", "--workspace", demo.root)
    assert (code, [line.split()[1] for line in out.splitlines()[1:]]) == (ExitCode.GOOD, ["now", "until"])
    code, out, _ = called(main, *words, "--leaked")
    assert code == ExitCode.GOOD
    assert "counts no more" in out
    assert f"signed anew: {len(Registry(demo).versions())} versions" in out
    file = demo.artifacts_dir / version.path / "MANIFEST.json"
    file.chmod(0o600)
    file.write_text("{}")
    code, out, err = called(main, *words, "--leaked", "--json")
    assert (code, len(json.loads(out)["unsigned"])) == (ExitCode.FAILING, 1)
    assert "Not signed: pricing/" in err
    assert called(main, *words, "--former", "0" * 16)[0] == ExitCode.REFUSED
