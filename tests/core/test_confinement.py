"""The rule of links: nothing that is written or deleted follows a link out of a workspace."""

import logging
import os
from contextlib import closing
from pathlib import Path

import pytest

from core import files
from core.actor import Actor, Origin
from core.confinement import LeadsOutError, confine, links_out_of, require_inside
from core.engine import Engine
from core.files import FileAccessError
from core.log_file import LogFile
from core.maintenance.doctor import examine
from core.state import Workspace
from core.telemetry import TelemetryError
from core.telemetry.schema import VERSION, connect_to_read, connect_to_write, fetch
from core.training.checkpoint import Checkpoints

PERSON = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def outside(tmp_path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("kept")
    return folder


@pytest.fixture
def linked(workspace, outside) -> Path:
    """A folder of the workspace that another program has replaced by a link."""
    link = workspace.reports_dir / "s-0001"
    link.symlink_to(outside)
    return link


WRITES = {
    "write_file": lambda folder: files.write_file(folder / "new", b"1"),
    "write_file below": lambda folder: files.write_file(folder / "a" / "new", b"1"),
    "write_folder": lambda folder: files.write_folder(folder / "new", lambda place: None),
    "create_once": lambda folder: files.create_once(folder / "new", b"1"),
    "replace_end": lambda folder: files.replace_end(folder / "precious", 0, b"1"),
    "append_line": lambda folder: files.append_line(folder / "precious", "1"),
    "create_private": lambda folder: files.create_private(folder / "new"),
    "open_to_write": lambda folder: files.open_to_write(folder / "new", os.O_RDWR | os.O_CREAT),
    "make_folder": lambda folder: files.make_folder(folder / "new"),
    "new_folder": lambda folder: files.new_folder(folder / "new"),
    "remove_file": lambda folder: files.remove_file(folder / "precious"),
    "remove_tree": lambda folder: files.remove_tree(folder, root=folder.parents[1]),
    "rename": lambda folder: files.rename(folder / "precious", folder.parent / "stolen"),
    "give_second_name": lambda folder: files.give_second_name(folder / "precious", folder.parent / "stolen"),
    "a store": lambda folder: connect_to_write(folder / "new"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_is_written_or_deleted_through_a_link_that_leads_out(linked, outside, write):
    with pytest.raises(
        (OSError, FileAccessError, TelemetryError),
        match=r"s-0001( is a link that leads out|: Cannot call rmtree on a symbolic link)",
    ):
        write(linked)
    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_text() == "kept"


@pytest.mark.parametrize("write", [WRITES[name] for name in ("write_file below", "make_folder", "create_once")])
def test_a_writer_that_outlives_its_workspace_leaves_nothing_in_its_place(workspace, write):
    workspace.root.rename(workspace.root.with_name("moved"))
    with pytest.raises((OSError, FileAccessError), match="No such file or directory"):
        write(workspace.reports_dir)
    assert not workspace.root.exists()
    assert Workspace.create(workspace.root, settings_text="").settings_file.exists()


def test_a_file_that_is_replaced_or_removed_is_the_link_and_never_its_target(workspace, outside):
    for change in (lambda path: files.write_file(path, b"ours"), files.remove_file):
        link = workspace.reports_dir / "report.md"
        link.symlink_to(outside / "precious")
        change(link)
        assert not link.is_symlink()
        assert (outside / "precious").read_text() == "kept"
        files.remove_file(link)


def test_a_file_that_is_written_in_place_may_not_be_a_link(workspace, outside):
    link = workspace.reports_dir / "epochs_000001.jsonl"
    link.symlink_to(outside / "precious")
    with pytest.raises(FileAccessError, match=r"link that leads out of the workspace, to .*remove the link"):
        files.replace_end(link, 0, b"1")
    dangling = workspace.reports_dir / "new"
    dangling.symlink_to(outside / "made")
    with pytest.raises(LeadsOutError):
        files.open_to_write(dangling, os.O_RDWR | os.O_CREAT)
    assert not (outside / "made").exists()


def test_the_workspace_itself_may_be_a_link_and_so_may_folders_inside_it_and_paths_elsewhere(workspace, outside):
    entry = workspace.root.with_name("entry")
    entry.symlink_to(workspace.root)
    through = Workspace.open(entry)
    files.write_file(through.reports_dir / "a" / "report", b"1")
    (through.reports_dir / "newest").symlink_to(through.reports_dir / "a")
    files.write_file(through.reports_dir / "newest" / "report", b"2")
    assert (workspace.reports_dir / "a" / "report").read_bytes() == b"2"
    (outside.parent / "link").symlink_to(outside)
    files.write_file(outside.parent / "link" / "export.csv", b"1")
    assert (outside / "export.csv").exists()
    assert list(links_out_of(through.root)) == []


def test_a_link_behind_a_link_of_the_workspace_is_named(workspace, outside):
    (workspace.reports_dir / "inner").symlink_to(workspace.artifacts_dir)
    (workspace.artifacts_dir / "out").symlink_to(outside)
    with pytest.raises(LeadsOutError, match="reports/inner/out is a link that leads out"):
        require_inside(workspace.reports_dir / "inner" / "out" / "file")


def test_a_state_file_that_is_a_link_is_read_and_not_changed(workspace, outside):
    workspace.database("registry").table("models").insert({"n": 1})
    file = workspace.state_file("registry")
    file.rename(outside / "registry.json")
    before = (outside / "registry.json").read_bytes()
    file.symlink_to(outside / "registry.json")
    fresh = Workspace.open(workspace.root)
    assert [dict(each) for each in fresh.database("registry").table("models").all()] == [{"n": 1}]
    with pytest.raises(FileAccessError, match=r"registry\.json is a link that leads out"):
        fresh.database("registry").table("models").insert({"n": 2})
    assert (outside / "registry.json").read_bytes() == before
    assert file.is_symlink()


@pytest.mark.parametrize("name", ["telemetry", "telemetry/telemetry.db"])
def test_a_store_outside_is_read_without_a_file_beside_it(workspace, outside, name):
    connect_to_write(workspace.telemetry_file).close()
    place = workspace.root / name
    place.rename(outside / place.name)
    place.symlink_to(outside / place.name)
    before = sorted(outside.rglob("*"))
    with closing(connect_to_read(workspace.telemetry_file)) as connection:
        assert fetch(connection, "SELECT name FROM series") == []
        assert fetch(connection, "PRAGMA user_version") == [(VERSION,)]
        assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize("log_folder", ["outside", "inside"])
def test_a_store_outside_with_rows_in_its_write_ahead_log_is_refused(workspace, outside, log_folder):
    file = workspace.telemetry_file
    connect_to_write(file).close()
    file.rename(outside / "t.db")
    file.symlink_to(outside / "t.db")
    log = Path(f"{outside / 't.db' if log_folder == 'outside' else file}-wal")
    log.write_bytes(b"rows")
    with pytest.raises(TelemetryError, match=r"telemetry\.db is a link that leads out"):
        connect_to_read(file)
    assert log.read_bytes() == b"rows"
    assert [each.file for each in examine(workspace)] == [str(file)]  # once, with the cure of a link


def test_a_log_that_is_a_link_is_not_written(workspace, outside):
    (workspace.logs_dir / "engine.log").symlink_to(outside / "precious")
    handler = LogFile(workspace.logs_dir / "engine.log", max_bytes=1, n_kept=1)
    handler.emit(logging.LogRecord("core", logging.ERROR, "", 0, "line", None, None))
    handler.close()
    assert (outside / "precious").read_text() == "kept"


def test_checkpoints_are_neither_written_nor_removed_through_a_link(workspace, outside):
    folder = workspace.artifacts_dir / ".checkpoints" / "s-0001"
    folder.parent.mkdir()
    folder.symlink_to(outside)
    (outside / "epoch_0001").mkdir()
    Checkpoints(folder).keep_only([])
    with pytest.raises(FileAccessError, match="is a link that leads out"):
        files.write_folder(folder / "epoch_0002", lambda place: None)
    assert sorted(path.name for path in outside.iterdir()) == ["epoch_0001", "precious"]


@pytest.mark.parametrize("name", ["state", "telemetry", "audit", "artifacts", "datasets", "reports", "logs", "keys"])
def test_an_engine_does_not_start_with_a_folder_on_another_disk_and_the_doctor_names_it(workspace, tmp_path, name):
    folder = workspace.root / name
    folder.rename(tmp_path / "disk")
    folder.symlink_to(tmp_path / "disk")
    held = sorted(path.name for path in (tmp_path / "disk").rglob("*"))
    engine = Engine(Workspace.open(workspace.root), mode="headless", actor=PERSON)
    with pytest.raises(FileAccessError, match=f"{name} is a link that leads out of the workspace, to .*disk"):
        engine.start()
    assert sorted(path.name for path in (tmp_path / "disk").rglob("*")) == held
    found = [finding for finding in examine(workspace) if "leads out" in finding.problem]
    assert [finding.file for finding in found] == [str(folder)]
    assert "mount their disk there" in found[0].cure


def test_the_innermost_workspace_counts(tmp_path):
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    confine(tmp_path / "outer")
    confine(tmp_path / "outer" / "inner")
    (tmp_path / "outer" / "inner" / "link").symlink_to(tmp_path / "outer")
    with pytest.raises(LeadsOutError):
        require_inside(tmp_path / "outer" / "inner" / "link" / "file")


def test_two_slashes_at_the_beginning_of_a_path_change_nothing(linked, tmp_path):
    require_inside(Path(f"/{tmp_path}") / "elsewhere")  # it ends, too
    with pytest.raises(LeadsOutError):
        require_inside(Path(f"/{linked}") / "precious")
