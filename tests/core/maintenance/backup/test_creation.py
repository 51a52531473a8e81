"""Backups of a running workspace: at one instant, incremental, verified, encrypted, and never half-written."""

import os
import shutil
from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from core.confinement import LeadsOutError
from core.errors import NotFoundError, RefusedError, UsageError
from core.files import DiskFullError, FileAccessError, FolderInUseError
from core.governance import AuditFilter, AuditLog
from core.key_source import KeySource, KeySourceError
from core.maintenance.backup import BackupDamagedError, BackupKeyError, BackupRepository, create_backup, target_of
from core.maintenance.backup.errors import BackupBusyError, BackupStoppedError
from core.maintenance.backup.history import BackupHistory
from core.registry import Registry
from core.settings.telemetry import TelemetrySettings
from core.state import Workspace
from core.telemetry import TelemetryWriter
from tests.clocks import HandClock
from tests.core.maintenance.backup.conftest import ANA, KEY, add_version
from tests.disks import filled, mounted, refuse_to_list


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_backup_holds_every_file_and_no_lock_cache_log_or_earlier_generation(full, back_up, repository):
    (full.logs_dir / "engine.log").write_text("x")
    result = back_up(reason="before the move")
    paths = {file.path for file in repository().read(result.backup_id).files}
    assert {"bondx.yaml", "state/registry.json", "state/audit.json", "audit/audit.jsonl", "keys/audit.key"} <= paths
    assert {"telemetry/telemetry.db", "datasets/rows.csv", "reports/s-0001/final_report.md"} <= paths
    assert "artifacts/spread/1.0.0/model.txt" in paths
    unwanted = (".lock", ".queue", ".prev", ".new", ".lease", "-wal", "-shm", ".log")
    assert not [path for path in paths if path.endswith(unwanted) or path.startswith("cache/")]
    assert result.problems == result.left_out == ()


def test_the_audit_log_and_the_history_record_a_backup(full, back_up):
    result = back_up(reason="before the move")
    record = AuditLog(full).search(AuditFilter(verb="backup.create"))[0]
    assert (record.object, record.reason) == (result.backup_id, "before the move")
    assert record.after["manifest_sha256"] == result.manifest_sha256
    assert BackupHistory(full).last().audit_sequence == result.audit_sequence
    assert AuditLog(full).verify().ok


def test_a_second_backup_adds_what_changed_and_reads_no_unchanged_artifact(full, back_up):
    (full.datasets_dir / "noise.bin").write_bytes(os.urandom(100_000))
    first = back_up()
    add_version(full, "spread", "other")
    second = back_up()
    assert second.n_new_bytes < first.n_new_bytes / 2
    assert second.n_unchanged_files >= 10
    assert second.n_files > first.n_files


def test_a_changed_byte_of_a_large_file_adds_one_chunk_and_not_the_file(full, back_up):
    content = bytearray(os.urandom(12 << 20))
    (full.datasets_dir / "large.bin").write_bytes(content)
    first = back_up()
    content[5 << 20] ^= 1
    (full.datasets_dir / "large.bin").write_bytes(content)
    assert first.n_new_bytes > 12 << 20
    assert 4 << 20 < back_up().n_new_bytes < 5 << 20


def test_equal_content_is_stored_once(full, back_up, repository):
    for name in ("a", "b", "c"):
        (full.datasets_dir / name).write_text("the same" * 100)
    back_up()
    files = repository().read(repository().newest()).files
    assert len({file.chunks for file in files if file.path in ("datasets/a", "datasets/b", "datasets/c")}) == 1


def test_every_edited_byte_of_a_folder_of_backups_is_found_and_the_file_named(full, back_up, safe, repository):
    result = back_up()
    assert repository().verify(result.backup_id).ok
    n_found = Counter()
    for name in files_of(safe):
        if name.endswith(".lock"):
            continue
        place = safe / name
        content = place.read_bytes()
        place.chmod(0o600)
        for at in {0, len(content) // 2, len(content) - 1}:
            changed = bytearray(content)
            changed[at] ^= 0x01
            place.write_bytes(changed)
            try:
                verdict = repository().verify(result.backup_id)
                said = " ".join(verdict.damage)
            except (BackupDamagedError, UsageError) as error:
                said = str(error)
            except NotFoundError as error:  # an edited id in a name cannot happen: names are not edited here
                pytest.fail(str(error))
            if name != "bondx-backups.json":  # a space of it changes nothing
                assert place.stem in said, (name, at)
                n_found[name.partition("/")[0]] += 1
        place.write_bytes(content)
    assert n_found["objects"] > 50
    assert n_found["backups"] == 6
    assert repository().verify(result.backup_id).ok


@pytest.mark.parametrize("harm", ["torn", "removed", "empty"])
def test_torn_and_missing_content_is_named_with_the_files_that_need_it(full, back_up, safe, repository, harm):
    result = back_up()
    file = next(f for f in repository().read(result.backup_id).files if f.path == "datasets/rows.csv")
    place = safe / "objects" / file.chunks[0][:2] / file.chunks[0]
    if harm == "removed":
        place.unlink()
    else:
        content = place.read_bytes()
        place.write_bytes(content[: len(content) // 2] if harm == "torn" else b"")
    verdict = repository().verify(result.backup_id)
    assert not verdict.ok
    assert len(verdict.damage) == 1
    assert verdict.damage[0].startswith(f"datasets/rows.csv cannot be restored: {place} is ")


@pytest.mark.parametrize("kind", ["folder", "address"])
@pytest.mark.parametrize("n_left", [0, 30])
@pytest.mark.parametrize("release", ["this", "before"])
def test_content_that_does_not_fit_by_size_is_written_again(full, safe, kind, n_left, release):
    target = safe if kind == "folder" else target_of(f"file://{safe}")
    first = create_backup(full, target, KEY, actor=ANA)
    repository = BackupRepository.open(target, KEY)
    manifest = repository.read(first.backup_id)
    if release == "before":
        files = tuple(msgspec.structs.replace(file, stored_sizes=()) for file in manifest.files)
        with repository.locked():
            repository.write(msgspec.structs.replace(manifest, files=files))
    harmed = [path for path in (safe / "objects").glob("*/*") if path.stat().st_size > n_left]
    for place in harmed:
        place.write_bytes(place.read_bytes()[:n_left])
    assert not BackupRepository.open(target, KEY).verify(first.backup_id).ok
    second = create_backup(full, target, KEY, actor=ANA)
    assert BackupRepository.open(target, KEY).verify(second.backup_id).ok
    third = create_backup(full, target, KEY, actor=ANA)
    assert third.n_unchanged_files > 5


def test_an_encrypted_folder_shows_neither_content_nor_names_of_it(full, back_up, safe, repository):
    (full.datasets_dir / "secret.txt").write_text("the exposure of the desk")
    result = back_up(key=KEY)
    plain = repository(KEY).read(result.backup_id)
    on_disk = b"".join((safe / name).read_bytes() for name in files_of(safe)) + " ".join(files_of(safe)).encode()
    assert result.is_encrypted
    for text in (b"exposure of the desk", b"secret.txt", b"registry.json", KEY):
        assert text not in on_disk
    assert not [file.sha256 for file in plain.files if file.sha256.encode() in on_disk]
    assert repository(KEY).verify(result.backup_id).ok


def test_a_wrong_or_missing_key_is_one_clear_refusal(full, back_up, safe, repository):
    back_up(key=KEY)
    before = files_of(safe)
    with pytest.raises(BackupKeyError, match=r"This is not the key of the backups in .*safe"):
        repository(KEY + b"x")
    with pytest.raises(BackupKeyError, match=r"are encrypted: name their key with --key-file"):
        repository()
    with pytest.raises(BackupKeyError, match="not the key"):
        back_up(key=b"another key of the backups")
    assert files_of(safe) == before


def test_a_key_is_refused_where_the_backups_are_not_encrypted(full, back_up):
    back_up()
    with pytest.raises(BackupKeyError, match="are not encrypted: leave the key out"):
        back_up(key=KEY)


def test_a_key_comes_from_a_private_file_the_environment_or_a_command(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    file.chmod(0o600)
    assert KeySource(file="key").read(tmp_path) == KEY
    assert KeySource(env="BACKUP_KEY").read(environ={"BACKUP_KEY": KEY.decode()}) == KEY
    assert KeySource(command=f"cat {file}").read() == KEY
    assert KeySource().read() is None


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        pytest.param(KeySource(file="missing"), r"cannot be read from '.*missing': No such file", id="no file"),
        pytest.param(KeySource(file="open"), r"other accounts may read it\. Close it with chmod 600", id="open file"),
        pytest.param(KeySource(file="short"), r"has 5 characters; a key of backups has at least 16", id="short"),
        pytest.param(
            KeySource(env="NOT_SET"), r"the environment variable 'NOT_SET' is empty or not set", id="variable"
        ),
        pytest.param(KeySource(command="false"), r"'false', failed: it ended with exit code 1", id="failing command"),
        pytest.param(KeySource(command="no-such-program x"), r"failed: No such file", id="missing command"),
        pytest.param(KeySource(command="'"), r"failed: No closing quotation", id="no words"),
        pytest.param(KeySource(command="true"), r"the output of 'true' is empty", id="silent command"),
        pytest.param(KeySource(command="false s3cr7"), r"'false', failed: it ended with exit code 1", id="arguments"),
    ],
)
def test_a_key_that_cannot_be_used_is_one_clear_refusal_without_the_key(tmp_path, source, complaint):
    (tmp_path / "open").write_bytes(KEY)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "short").write_bytes(b"s3cr7")
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(KeySourceError, match=complaint) as refused:
        source.read(tmp_path, environ={})
    assert "s3cr7" not in str(refused.value)


def test_a_folder_in_a_workspace_and_a_folder_with_other_files_are_refused(full, tmp_path):
    with pytest.raises(RefusedError, match=r"--to .*reports/backups is in the workspace"):
        create_backup(full, full.reports_dir / "backups", None, actor=ANA)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    with pytest.raises(FolderInUseError):
        create_backup(full, tmp_path / "photos", None, actor=ANA)
    assert files_of(tmp_path / "photos") == ["a.jpg"]


def test_links_are_named_and_not_followed(full, back_up, repository, tmp_path):
    (tmp_path / "passwords").write_text("hunter2")
    (full.datasets_dir / "link").symlink_to(tmp_path / "passwords")
    (full.datasets_dir / "folder").symlink_to(tmp_path)
    os.mkfifo(full.datasets_dir / "pipe")
    result = back_up()
    assert set(result.left_out) == {
        "datasets/link is a link",
        "datasets/folder is a link",
        "datasets/pipe is a named pipe",
    }
    assert not [file for file in repository().read(result.backup_id).files if file.path.startswith("datasets/l")]


def test_a_folder_of_backups_that_a_link_leads_out_of_is_not_written_through_it(full, back_up, safe, tmp_path):
    back_up()
    shutil.rmtree(safe / "objects")
    (tmp_path / "elsewhere").mkdir()
    (safe / "objects").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileAccessError, match="is a link that leads out") as refused:
        back_up()
    assert isinstance(refused.value.__cause__, LeadsOutError)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_of_backups_that_was_moved_away_is_made_anew_by_the_same_process(full, back_up, safe, repository):
    back_up()
    safe.rename(safe.with_name("moved"))
    result = back_up()
    assert repository().verify(result.backup_id).ok


def test_a_full_disk_is_one_clear_refusal_and_leaves_the_earlier_backup_alone(full, tmp_path):
    with mounted(tmp_path / "disk", "600k") as disk:
        first = create_backup(full, disk / "safe", None, actor=ANA)
        before = files_of(disk / "safe")
        (full.datasets_dir / "large.bin").write_bytes(os.urandom(2 << 20))
        with pytest.raises(DiskFullError, match="no space left on device; free some space and try again"):
            create_backup(full, disk / "safe", None, actor=ANA)
        assert files_of(disk / "safe") == before
        assert BackupRepository.open(disk / "safe", None).verify(first.backup_id).ok
        assert [each.backup_id for each in BackupHistory(full).all()] == [first.backup_id]


def test_a_full_disk_of_the_workspace_is_refused_before_anything_counts(tmp_path, full, safe):
    with mounted(tmp_path / "disk", "4m") as disk:
        shutil.copytree(full.root, disk / "ws", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
        workspace = Workspace.open(disk / "ws")
        create_backup(workspace, tmp_path / "before", None, actor=ANA)
        engine = TelemetryWriter(workspace.telemetry_file, retention=TelemetrySettings())
        with engine, filled(disk), pytest.raises(FileAccessError, match="no space left on device"):
            create_backup(workspace, safe, None, actor=ANA)
        assert BackupRepository.open(safe, None).ids() == []
        assert not [name for name in files_of(safe) if name.startswith("objects/")]


def test_two_backups_at_once_are_refused_by_name(full, back_up, fork, turnstile, safe, tmp_path):
    inside, gate = turnstile(), turnstile()

    def slow() -> str:
        def hold() -> bool:
            inside.open()
            gate.pass_through()
            return False

        return create_backup(full, safe, None, actor=ANA, is_stopped=hold).backup_id

    child = fork(slow)
    inside.pass_through()
    with pytest.raises(BackupBusyError, match=r"Another backup is being written: process \d+ .* holds .*backup\.lock"):
        back_up()
    with pytest.raises(BackupBusyError, match="Another backup is being written"):
        create_backup(full, tmp_path / "other", None, actor=ANA)
    gate.open(10_000)
    first, second = child.answer(), back_up().backup_id
    assert BackupRepository.open(safe, None).ids() == [first, second]


def test_a_killed_backup_counts_nothing_and_the_next_one_clears_what_it_left(full, back_up, fork, turnstile, safe):
    back_up()
    (full.datasets_dir / "more.bin").write_bytes(os.urandom(1 << 20))
    inside, gate = turnstile(), turnstile()

    def slow() -> None:
        def hold() -> bool:
            if any(name.endswith(".new") for name in files_of(safe)):
                inside.open()
                gate.pass_through()
            return False

        create_backup(full, safe, None, actor=ANA, is_stopped=hold)

    child = fork(slow)
    inside.pass_through()
    child.kill()
    assert len(BackupRepository.open(safe, None).ids()) == 1
    assert [name for name in files_of(safe) if name.endswith(".new")]
    result = back_up()
    assert not [name for name in files_of(safe) if name.endswith(".new")]
    assert BackupRepository.open(safe, None).verify(result.backup_id).ok


def test_a_stopped_backup_leaves_nothing(full, back_up, safe):
    with pytest.raises(BackupStoppedError):
        back_up(is_stopped=lambda: True)
    assert files_of(safe) == [".lock", "bondx-backups.json"]
    assert not (full.cache_dir / "backup").exists()


def test_only_the_newest_backups_stay_and_what_they_need(full, back_up, safe, repository):
    ids = []
    for number in range(4):
        add_version(full, "spread", f"content {number}")
        ids.append(back_up(keep=2).backup_id)
    assert repository().ids() == ids[-2:]
    assert all(repository().verify(each).ok for each in ids[-2:])
    needed = {c for each in ids[-2:] for file in repository().read(each).files for c in file.chunks}
    assert {path.name for path in (safe / "objects").glob("*/*")} == needed


def test_the_ids_of_backups_are_in_the_order_in_which_they_were_made_also_if_the_clock_goes_back(back_up, repository):
    clock = HandClock()
    made = [back_up(clock=clock).backup_id for _ in range(11)]
    clock.now -= timedelta(hours=1)
    made.append(back_up(clock=clock).backup_id)
    assert repository().ids() == made
    assert made[-1].endswith("-12")


def test_a_backup_that_is_pruned_while_it_is_verified_is_not_called_damaged(full, back_up, repository, monkeypatch):
    first = back_up().backup_id
    add_version(full, "spread", "newer")
    opened = repository()
    read = opened.read

    def read_then_prune(backup_id):
        manifest = read(backup_id)
        monkeypatch.setattr(opened, "read", read)
        (full.datasets_dir / "rows.csv").unlink()
        back_up(keep=1)
        return manifest

    monkeypatch.setattr(opened, "read", read_then_prune)
    with pytest.raises(NotFoundError, match=f"{first} was removed while it was verified"):
        opened.verify(first)


def test_nothing_is_pruned_while_a_backup_that_stays_cannot_be_read(full, back_up, safe, repository):
    first = back_up()
    second = back_up()
    (safe / "backups" / f"{second.backup_id}.json").write_text("{}")
    with pytest.raises(BackupDamagedError, match=second.backup_id):
        repository().prune(1)
    assert repository().verify(first.backup_id).ok


def test_a_damaged_version_is_backed_up_as_it_is_and_named(full, back_up):
    file = full.artifacts_dir / "spread" / "1.0.0" / "model.txt"
    file.chmod(0o600)
    file.write_text("edited")
    (full.artifacts_dir / "downgrade" / "1.0.0" / "model.txt").unlink()
    assert set(back_up().problems) == {
        "downgrade 1.0.0: model.txt is missing",
        "spread 1.0.0: model.txt differs from the recorded file",
    }


def test_a_version_that_is_pruned_while_it_is_copied_makes_the_backup_begin_anew(
    full, back_up, repository, monkeypatch
):
    from core.maintenance.backup import creation

    walk, pruned = creation._walk, []

    def prune_first(*given):
        if not pruned:
            pruned.append(1)
            registry = Registry(full)
            for version in registry.versions("downgrade"):
                registry.apply(registry.plan_archive("downgrade", version.version), actor=ANA, reason="old")
            add_version(full, "downgrade", "newer")
            registry.apply(registry.plan_archive("downgrade", "1.1.0"), actor=ANA, reason="old")
            registry.prune(registry.plan_prune("downgrade", keep=1), actor=ANA, reason="old")
        yield from walk(*given)

    monkeypatch.setattr(creation, "_walk", prune_first)
    result = back_up()
    assert result.problems == ()
    paths = {file.path for file in repository().read(result.backup_id).files}
    assert "artifacts/downgrade/1.0.0/model.txt" not in paths
    assert "artifacts/downgrade/1.1.0/model.txt" in paths


def test_the_size_of_a_derivation_that_somebody_edited_is_refused(full, back_up, safe):
    back_up(key=KEY)
    marker = safe / "bondx-backups.json"
    marker.write_text(marker.read_text().replace("32768", str(1 << 30)))
    with pytest.raises(BackupDamagedError, match="would take too much memory"):
        BackupRepository.open(safe, KEY)


def keep_profile(workspace, content, **more):
    """Make the profile of the first version of spread."""
    return Registry(workspace).make_profile(
        "spread", "1.0.0", content, data_sha256="", n_rows=2, is_held_out=False, actor=ANA, **more
    )


def test_a_profile_that_was_made_later_is_part_of_a_backup_and_its_damage_is_named(full, back_up, repository):
    made = keep_profile(full, b"{}")
    result = back_up()
    assert result.problems == ()
    assert f"artifacts/{made.path}" in {file.path for file in repository().read(result.backup_id).files}
    (full.artifacts_dir / made.path).write_bytes(b"[]")
    assert back_up().problems == (f"spread 1.0.0: {made.path} differs from the recorded file",)
    (full.artifacts_dir / made.path).unlink()
    assert back_up().problems == (f"spread 1.0.0: {made.path} is missing",)


def test_a_folder_that_cannot_be_listed_stops_no_backup_and_is_named(full, back_up, repository, monkeypatch):
    made = keep_profile(full, b"{}")
    folder = (full.artifacts_dir / made.path).parent
    refuse_to_list(monkeypatch, folder)
    problems = back_up().problems
    assert f"{folder} cannot be listed: Permission denied" in problems
    assert f"{made.model} {made.version}: {made.path} is missing" in problems


def test_a_profile_that_is_replaced_while_it_is_copied_is_kept_beside_the_record_that_names_it(
    full, back_up, repository, monkeypatch
):
    from core.maintenance.backup import creation

    first, walk, replaced = keep_profile(full, b"{}"), creation._walk, []

    def replace_first(*given):
        if not replaced:
            replaced.append(keep_profile(full, b"[]", reason="more rows"))
        yield from walk(*given)

    monkeypatch.setattr(creation, "_walk", replace_first)
    result = back_up()
    assert result.problems == ()
    paths = {file.path for file in repository().read(result.backup_id).files}
    assert f"artifacts/{first.path}" in paths
    assert replaced
