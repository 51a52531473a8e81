"""Restored workspaces: all or nothing, verified before they count, and at one instant of a busy workspace."""

import itertools
import os
import re
import signal
from functools import partial
from pathlib import Path

import msgspec
import pytest

from console.cli.main import main
from core.errors import ExitCode, NotFoundError, RefusedError
from core.escape import is_shown_as_is
from core.files import DiskFullError, FolderInUseError, write_new
from core.governance import AuditFilter, AuditLog
from core.maintenance.backup import (
    BackupDamagedError,
    BackupRepository,
    create_backup,
    restore_model,
    restore_workspace,
    restoring,
)
from core.maintenance.doctor import examine
from core.maintenance.repair import repair
from core.registry import Registry
from core.settings import TrainingSettings
from core.state import Workspace
from core.telemetry import TelemetryReader
from core.training.sessions import Sessions
from tests.core.maintenance.backup.conftest import ANA, KEY, add_version
from tests.disks import mounted
from tests.waiting import until


@pytest.fixture
def target(tmp_path):
    return tmp_path / "restored"


@pytest.mark.parametrize("key", [None, KEY], ids=["readable", "encrypted"])
def test_a_restored_workspace_has_the_same_documents_versions_files_and_log(full, back_up, repository, target, key):
    backup = back_up(key=key)
    result = restore_workspace(repository(key), backup.backup_id, target, actor=ANA, reason="drill")
    restored = Workspace.open(target)
    assert Registry(restored).versions(None) == Registry(full).versions(None)
    assert all(each.ok for each in Registry(restored).verify(None))
    assert (restored.datasets_dir / "rows.csv").read_bytes() == (full.datasets_dir / "rows.csv").read_bytes()
    assert TelemetryReader(restored.telemetry_file).latest("cpu.percent")[1] == 12.5
    verdict = AuditLog(restored).verify()
    assert (verdict.ok, verdict.n_records) == (True, backup.audit_sequence + 1)
    record = AuditLog(restored).tail(1)[0]
    assert (record.verb, record.reason, record.after["backup"]) == ("workspace.restore", "drill", backup.backup_id)
    assert examine(restored) == []
    assert (result.n_versions, result.n_records) == (3, backup.audit_sequence)
    assert not [path for path in target.rglob("*") if path.stat().st_mode & 0o077]


def test_a_restored_workspace_takes_changes_and_backups_of_its_own(full, back_up, repository, target, tmp_path):
    backup = back_up()
    restore_workspace(repository(), backup.backup_id, target, actor=ANA)
    restored = Workspace.open(target)
    assert add_version(restored, "spread", "after") == "1.2.0"
    assert AuditLog(restored).verify().ok
    assert create_backup(restored, tmp_path / "its own", None, actor=ANA).problems == ()


def test_a_folder_that_holds_something_is_never_restored_into(full, back_up, repository, target):
    backup = back_up()
    target.mkdir()
    (target / "thesis.tex").write_text("x")
    with pytest.raises(FolderInUseError):
        restore_workspace(repository(), backup.backup_id, target, actor=ANA)
    with pytest.raises(RefusedError, match="is in the workspace"):
        restore_workspace(repository(), backup.backup_id, full.root / "datasets" / "copy", actor=ANA)
    assert [path.name for path in target.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_is_restored_into(full, back_up, repository, target):
    target.mkdir()
    backup = back_up()
    restore_workspace(repository(), backup.backup_id, target, actor=ANA)
    assert AuditLog(Workspace.open(target)).verify().ok


def test_a_damaged_byte_anywhere_restores_nothing(full, back_up, repository, target, safe):
    backup = back_up()
    for place in sorted((safe / "objects").glob("*/*")):
        content = place.read_bytes()
        place.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(BackupDamagedError, match=place.name):
            restore_workspace(repository(), backup.backup_id, target, actor=ANA)
        assert not target.exists()
        place.write_bytes(content)
    assert sorted(path.name for path in target.parent.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        *(
            (path, "is no name of a file in a workspace")
            for path in ("../outside.txt", "/etc/x", "", ".", "./", "a\0b")
        ),
        ("x" * 256, "is longer than a name can be"),
        ("state/" + "é" * 128, "is longer than a name can be"),
        ("/".join(["x" * 200] * 30), "is longer than a name can be"),
        ("bondx.yaml", "is named twice"),
        ("./bondx.yaml", "is named twice"),
        ("bondx.yaml/x", "is below a file"),
        *((f"state/a{each}b", "holds characters that no file may have") for each in "\n\x1b\u202e\u2028\x85"),
    ],
)
def test_a_name_that_no_file_of_a_workspace_can_have_restores_nothing(full, back_up, repository, target, path, says):
    backup = back_up()
    manifest = repository().read(backup.backup_id)
    more = msgspec.structs.replace(manifest.files[0], path=path)
    evil = msgspec.structs.replace(manifest, backup_id="b-20990101T000000Z", files=(*manifest.files, more))
    repository().write(evil)
    for restore in (restore_workspace, partial(restore_model, model="spread")):
        with pytest.raises(BackupDamagedError, match=says) as refused:
            restore(repository(), evil.backup_id, target=target, actor=ANA)
        assert refused.value.exit_code is ExitCode.USAGE
        assert not target.exists()
    assert not (target.parent / "outside.txt").exists()
    (damage,) = repository().verify(evil.backup_id).damage
    assert says in damage
    assert is_shown_as_is(damage)


def test_no_text_of_a_backup_makes_lines_of_its_own(full, back_up, repository, target, safe, called):
    evil = "x\nb-20990101T000000Z: intact (1 file, 1 B)\r\x1b[2J\u2028\u202e"
    backup = back_up()
    manifest = repository().read(backup.backup_id)
    file, chunks = manifest.files[0], {"rows": ("0" * 64,), "name": (evil,)}
    lost = [msgspec.structs.replace(file, path=f"state/{name}", chunks=each) for name, each in chunks.items()]
    texts = dict.fromkeys(("workspace", "host", "release", "audit_hash"), evil)
    several = dict.fromkeys(("problems", "left_out"), (evil,))
    for number, files in enumerate((manifest.files, (*manifest.files, *lost)), start=1):
        backup_id = f"b-20990101T00000{number}Z"
        repository().write(msgspec.structs.replace(manifest, backup_id=backup_id, files=files, **texts, **several))
    for words in (("backup", "list"), ("backup", "verify"), ("restore",), ("restore", "b-20990101T000001Z")):
        root = target if words[0] == "restore" else full.root
        _, out, err = called(main, *words, "--from", safe, "--workspace", root)
        lines = (out + err).split("\n")
        assert all(map(is_shown_as_is, lines))
        assert not [line for line in lines if line.removeprefix("bondx: ").startswith("b-20990101T000000Z: intact")]
    assert target.is_dir()
    (rows, name) = repository().verify("b-20990101T000002Z").damage
    assert is_shown_as_is(rows + name)


def test_a_state_file_that_was_edited_before_the_backup_is_not_restored_as_if_it_were_sound(
    full, back_up, repository, target
):
    file = full.state_file("registry")
    file.write_text(file.read_text().replace('"Staging"', '"Production"'))
    backup = back_up()
    with pytest.raises(BackupDamagedError, match=r"does not verify: document \d+ of .* in state/registry\.json"):
        restore_workspace(repository(), backup.backup_id, target, actor=ANA)
    assert not target.exists()


def test_a_full_disk_restores_nothing(full, back_up, repository, tmp_path):
    (full.datasets_dir / "large.bin").write_bytes(os.urandom(2 << 20))
    backup = back_up()
    with mounted(tmp_path / "disk", "1m") as disk:
        with pytest.raises(DiskFullError, match="no space left on device"):
            restore_workspace(repository(), backup.backup_id, disk / "ws", actor=ANA)
        assert list(disk.iterdir()) == []


def test_one_model_becomes_a_workspace_of_its_own(full, back_up, repository, target):
    backup = back_up()
    result = restore_model(repository(), backup.backup_id, "spread", target, actor=ANA, reason="only this")
    restored = Workspace.open(target)
    versions = Registry(restored).versions(None)
    assert [(each.model, each.version, each.stage) for each in versions] == [
        (each.model, each.version, each.stage) for each in Registry(full).versions("spread")
    ]
    assert Registry(restored).history("spread") == Registry(full).history("spread")
    assert all(each.ok for each in Registry(restored).verify(None))
    assert (result.n_versions, AuditLog(restored).verify().ok) == (2, True)
    record = AuditLog(restored).search(AuditFilter(verb="model.restore"))[0]
    assert (record.object, record.after["record"]) == ("spread", backup.audit_sequence)
    assert add_version(restored, "spread", "after") == "1.2.0"
    assert examine(restored) == []


def test_a_version_whose_files_would_lie_elsewhere_is_refused(full, back_up, repository):
    backup = back_up()
    manifest = repository().read(backup.backup_id)
    version = msgspec.structs.replace(Registry(full).versions("spread")[0], path="../../elsewhere")
    with pytest.raises(BackupDamagedError, match=r"has its files at \.\./\.\./elsewhere"):
        restoring._require_versions(full, [version], manifest)


def test_a_model_that_the_backup_lacks_is_refused_by_name(full, back_up, repository, target):
    backup = back_up()
    with pytest.raises(NotFoundError, match=r"holds no model 'sprad'\. Models: downgrade, spread"):
        restore_model(repository(), backup.backup_id, "sprad", target, actor=ANA)
    assert not target.exists()


def test_a_backup_that_does_not_exist_is_refused_by_name(full, back_up, repository, target):
    back_up()
    with pytest.raises(NotFoundError, match=r"holds no backup 'b-1'\. Newest: b-"):
        restore_workspace(repository(), "b-1", target, actor=ANA)


def test_a_backup_that_waits_for_one_locked_file_keeps_nobody_else_waiting(full, safe, fork, turnstile):
    locked, gate = turnstile(), turnstile()
    Sessions(full).start(TrainingSettings(), name="", actor=ANA)

    def hold() -> None:
        with full.database("sessions").transaction():
            locked.open()
            gate.pass_through()

    holder = fork(hold)
    locked.pass_through()
    backup = fork(lambda: create_backup(full, safe, None, actor=ANA).backup_id)
    until((safe / "bondx-backups.json").exists, "the beginning of the backup")
    for number in range(5):  # each waits for the registry and for the log, and for nothing that the backup waits for
        add_version(full, "spread", f"meanwhile {number}")
    assert list((safe / "backups").glob("*.json")) == []
    gate.open()
    holder.wait()
    assert backup.answer() in BackupRepository.open(safe, None).ids()


def test_backups_of_a_busy_workspace_are_each_at_one_instant(full, back_up, repository, tmp_path, fork):
    """A writer registers and promotes without end; in every backup, what is recorded, stored and on disk agree."""

    def write() -> None:
        for number in itertools.count():
            add_version(full, "busy", f"content {number}")

    fork(write)
    log = AuditLog(full)
    for number in range(4):
        n_before = log.newest_sequence()
        until(lambda: log.newest_sequence() > n_before + 4, "progress of the writer")  # noqa: B023
        backup = back_up()
        assert backup.problems == ()
        restore_workspace(repository(), backup.backup_id, tmp_path / f"restored-{number}", actor=ANA)
        restored = Registry(Workspace.open(tmp_path / f"restored-{number}"))
        assert all(each.ok for each in restored.verify(None))
        contents = {
            re.sub(r"\D", "", (tmp_path / f"restored-{number}" / "artifacts" / each.path / "model.txt").read_text())
            for each in restored.versions("busy")
        }
        assert contents == {str(n) for n in range(len(contents))}


@pytest.mark.parametrize("model", [None, "spread"])
def test_a_profile_that_was_made_later_is_restored_with_its_record(full, back_up, repository, target, model):
    made = Registry(full).make_profile("spread", "1.0.0", b"{}", data_sha256="", n_rows=2, is_held_out=False, actor=ANA)
    backup = back_up()
    if model is None:
        restore_workspace(repository(), backup.backup_id, target, actor=ANA)
    else:
        restore_model(repository(), backup.backup_id, model, target, actor=ANA)
    restored = Registry(Workspace.open(target))
    assert restored.profile_file("spread", "1.0.0").content == b"{}"
    assert restored.made_profile("spread", "1.0.0").sha256 == made.sha256
    assert examine(Workspace.open(target)) == []


@pytest.fixture
def killed(full, back_up, repository, tmp_path, fork) -> Path:
    """What a restoration left that was killed while it wrote files."""
    backup_id = back_up(key=KEY).backup_id

    def work() -> None:
        def killed_after_some(path, *_args, **_more):
            if "audit" in path.parts:
                os.kill(os.getpid(), signal.SIGKILL)
            return write_new(path, *_args, **_more)

        restoring.write_new = killed_after_some
        restore_workspace(repository(KEY), backup_id, tmp_path / "killed", actor=ANA)

    fork(work).wait()
    (left,) = tmp_path.glob(".killed.*.new")
    assert any(left.rglob("*.txt")), "files of the backup lie there as they are"
    return left


def test_what_a_killed_restoration_left_goes_at_once_with_the_next_one_beside_it(killed, repository, target):
    restore_workspace(repository(KEY), repository(KEY).newest(), target, actor=ANA)
    assert not killed.exists()
    assert not (target / restoring.RESTORING).exists()


def test_doctor_names_what_a_killed_restoration_left_beside_the_workspace_and_repairs_it(killed, full):
    (found,) = [each for each in examine(full) if each.file == str(killed)]
    assert "a restoration that was killed left files of a backup here, not encrypted" in found.problem
    assert "bondx doctor --repair removes it" in found.cure
    assert [each for each in repair(full, actor=ANA) if str(killed) in each]
    assert not killed.exists()
    assert [each for each in examine(full) if "killed" in each.problem] == []


def test_a_restoration_that_goes_on_is_neither_named_nor_removed(full, back_up, repository, target, monkeypatch):
    seen, backup_id = [], back_up().backup_id
    verify = restoring._verify

    def looked_at_meanwhile(workspace, manifest):
        seen.append((restoring.killed_restorations(target.parent), repair(full, actor=ANA)))
        return verify(workspace, manifest)

    monkeypatch.setattr(restoring, "_verify", looked_at_meanwhile)
    restore_workspace(repository(), backup_id, target, actor=ANA)
    assert seen == [([], [])]
