"""Archive files that another program has damaged, swapped, replayed, removed or replaced by something else."""

import os
import shutil

import orjson
import pytest

from core.actor import Actor, Origin
from core.files import FileAccessError
from core.governance import AuditLog
from core.governance.audit import audited
from core.governance.outbox import TABLE as OUTBOX
from core.maintenance.doctor import examine
from core.maintenance.restore import restore
from core.quality.gate import judge
from core.registry import Registry
from core.registry.holds import TABLE as HOLDS
from core.state import DamagedFileError, Workspace
from core.state.archive import copy_of
from core.state.errors import NewerLayoutError

ADA = Actor("ada", "desk", Origin.COMMAND_LINE)
N = 6


@pytest.fixture
def stocked(workspace, tmp_path):
    """A workspace whose first versions are in an archive file."""
    registry, source = Registry(workspace), tmp_path / "model.txt"
    for n in range(N):
        source.write_text(f"tree {n}")
        passed = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
        registry.register("spread", source, metrics={"mae": 0.9}, lineage={"seed": n}, gates=passed, actor=ADA)
    with audited(workspace, "registry", actor=Actor.engine()) as change:
        change.db.storage.archive(keep=(OUTBOX, HOLDS), newest_bytes=0)
        change.record("state.archive", "state/registry.json")
    return workspace


def archive_file(workspace):
    (file,) = (workspace.state_dir / "archive").glob("registry-*.json")
    return file


def elsewhere(workspace, monkeypatch):
    """The workspace as another process reads it, which has read nothing yet."""
    monkeypatch.setattr("core.state.archive._read_files", {})
    workspace.database("registry").close()
    return Workspace.open(workspace.root)


def keys(workspace):
    return [version.key for version in Registry(workspace).versions()]


def keys_or_error(workspace):
    try:
        return keys(workspace)
    except DamagedFileError as error:
        return str(error)


def truncate(file):
    os.truncate(file, 40)


def garble(file):
    file.write_bytes(os.urandom(4096))


def empty(file):
    file.write_bytes(b"")


def edit_status(file):
    file.write_bytes(file.read_bytes().replace(b'"Development"', b'"Production" ', 1))


def swap_models(file):
    file.write_bytes(file.read_bytes().replace(b"spread/1.", b"credit/1."))


def link_to_nothing(file):
    file.unlink()
    file.symlink_to(file.with_name("gone"))


def link_to_itself(file):
    file.unlink()
    file.symlink_to(file)


def device(file):
    file.unlink()
    file.symlink_to("/dev/zero")


def pipe(file):
    file.unlink()
    os.mkfifo(file)


def folder(file):
    file.unlink()
    file.mkdir()
    (file / "more").touch()


def remove(file):
    file.unlink()


HARMS = [
    truncate,
    garble,
    empty,
    edit_status,
    swap_models,
    link_to_nothing,
    link_to_itself,
    device,
    pipe,
    folder,
    remove,
]
each_harm = pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)


@each_harm
def test_harm_to_an_archive_file_is_named_found_and_repaired_without_a_loss(stocked, harm, monkeypatch):
    file, before = archive_file(stocked), keys(stocked)
    content = file.read_bytes()
    harm(file)
    theirs = elsewhere(stocked, monkeypatch)
    with pytest.raises(DamagedFileError) as refused:
        keys(theirs)
    assert str(refused.value).startswith(f"{file} is damaged: ")
    assert f"`bondx doctor --restore {file.name}` restores it, and nothing is lost" in str(refused.value)
    with pytest.raises(DamagedFileError, match=file.name):
        Registry(theirs).set_tags("spread", "1.0.0", {"a": "b"}, actor=ADA)
    found = [finding for finding in examine(theirs) if "leads out" not in finding.problem]
    assert [finding.file for finding in found] == [str(file)]
    assert file.name in found[0].cure
    restored = restore(theirs, file, actor=ADA)
    assert restored.kept_as is None or os.path.lexists(restored.kept_as)
    assert file.read_bytes() == content
    assert keys(theirs) == before
    assert AuditLog(theirs).verify().ok


@each_harm
def test_a_process_that_has_read_an_archive_file_lives_on_or_names_it(stocked, harm):
    file, before = archive_file(stocked), keys(stocked)
    harm(file)
    assert all(found == before or file.name in found for found in (keys_or_error(stocked), keys_or_error(stocked)))
    restore(stocked, file, actor=ADA)
    assert keys(stocked) == before
    Registry(stocked).set_tags("spread", "1.0.0", {"a": "b"}, actor=ADA)


@each_harm
def test_harm_to_both_copies_asks_for_a_backup_and_never_to_start_empty(stocked, harm, monkeypatch):
    file = archive_file(stocked)
    for each in (file, copy_of(file)):
        harm(each)
    theirs = elsewhere(stocked, monkeypatch)
    with pytest.raises(DamagedFileError, match="is damaged, too: restore a backup of either") as refused:
        keys(theirs)
    assert "aside" not in str(refused.value)
    assert {f.file for f in examine(theirs) if "leads out" not in f.problem} == {str(file)}
    with pytest.raises(DamagedFileError, match="restore a backup"):
        restore(theirs, file, actor=ADA)
    with pytest.raises(DamagedFileError, match="restore a backup"):  # an earlier generation would lose changes
        restore(theirs, theirs.state_file("registry"), actor=ADA)


def test_an_older_copy_of_the_state_and_its_archive_is_found_by_the_audit_log(stocked, monkeypatch, tmp_path):
    shutil.copytree(stocked.state_dir, tmp_path / "older")
    Registry(stocked).set_tags("spread", "1.0.0", {"a": "b"}, actor=ADA)
    for name in ("registry.json", "registry.json.prev"):
        shutil.copy(tmp_path / "older" / name, stocked.state_dir / name)
    theirs = elsewhere(stocked, monkeypatch)
    verdict = AuditLog(theirs).verify()
    assert not verdict.ok
    assert "registry.json" in verdict.reason
    assert any("registry.json" in finding.problem for finding in examine(theirs))


@pytest.mark.parametrize("put", ["a file", "a pipe", "nothing"])
def test_a_folder_of_archive_files_that_is_none_counts_as_missing_files(stocked, put, monkeypatch):
    place = stocked.state_dir / "archive"
    place.rename(stocked.root / "moved")
    if put == "a file":
        place.touch()
    elif put == "a pipe":
        os.mkfifo(place)
    theirs = elsewhere(stocked, monkeypatch)
    with pytest.raises(DamagedFileError, match=r"archive/registry-.*json is damaged: it is missing"):
        keys(theirs)
    assert any("it is missing" in finding.problem for finding in examine(theirs))
    if put != "nothing":
        place.unlink()
    (stocked.root / "moved").rename(place)
    assert len(keys(theirs)) == N


def test_an_unreadable_archive_file_is_named_by_the_doctor_which_goes_on(stocked, monkeypatch):
    file = archive_file(stocked)

    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("core.state.archive.open_plain", refuse)
    monkeypatch.setattr("core.state.archive.read_file", refuse)
    theirs = elsewhere(stocked, monkeypatch)
    with pytest.raises(FileAccessError, match=f"Cannot read .*{file.name}: Permission denied"):
        keys(theirs)
    found = [finding for finding in examine(theirs) if finding.file == str(file)]
    assert [finding.cure for finding in found] == ["check its permissions and the disk"]


def test_a_layout_of_a_later_release_is_refused_and_never_taken_for_damage(stocked, monkeypatch):
    path = stocked.state_file("registry")
    content = orjson.dumps(orjson.loads(path.read_bytes()) | {"layout": {"1": {"layout": 2}}})
    path.write_bytes(content)
    theirs = elsewhere(stocked, monkeypatch)
    for use in (
        lambda: keys(theirs),
        lambda: Registry(theirs).set_tags("spread", "1.0.0", {"a": "b"}, actor=ADA),
        lambda: restore(theirs, path, actor=ADA),
    ):
        with pytest.raises(
            NewerLayoutError, match=r"registry\.json was written by a newer release .*layout 2.* Use that"
        ):
            use()
    (found,) = [finding for finding in examine(theirs) if finding.file == str(path)]
    assert found.cure == "use the newer release; do not restore this file"
    assert path.read_bytes() == content
    monkeypatch.setattr("core.state.generation.LAYOUT", 2)
    assert len(keys(elsewhere(stocked, monkeypatch))) == N


def test_a_layout_that_is_no_number_is_refused_too(stocked, monkeypatch):
    path = stocked.state_file("registry")
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"layout": {"1": {}}}))
    with pytest.raises(NewerLayoutError):
        keys(elsewhere(stocked, monkeypatch))
