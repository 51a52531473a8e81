"""Durable files: whole or absent whatever happens, one error for a refusal, and one module that does it."""

import ast
import errno
import io
import os
import signal
import threading
from pathlib import Path

import pytest

from core import files
from core.files import (
    UNFINISHED,
    DiskFullError,
    FileAccessError,
    InDoubtError,
    abandoned_folders,
    create_once,
    digest,
    remove_abandoned,
    sha256_of,
    write_file,
    write_folder,
    write_new,
)

ROOT = Path(__file__).parents[2]
TREES = ("core", "console", "widgets", "themes")
OURS = "core/files.py"
SEQUENCES_OF_THEIR_OWN = {
    ("core/state/generation.py", "fsync"),  # keeps the descriptor, a strictly later time and a link to the last content
    ("core/governance/journal.py", "fsync"),  # appends to an open file, and cuts a torn end off
}


WRITERS_OF_THEIR_OWN = {
    ("core/state/generation.py", "os.open"): "the sequence of a state file; `require_inside` comes first",
    ("core/state/generation.py", "os.rename"): "likewise",
    ("core/state/generation.py", "os.link"): "likewise",
    ("core/state/generation.py", "unlink"): "likewise",
    ("core/telemetry/schema.py", "sqlite3.connect"): "SQLite opens by name; `require_inside` comes first",
    ("core/maintenance/access.py", "chmod"): "takes rights away, of no link",
    ("core/access/peers.py", "os.chmod"): "a socket, in a folder that others may enter",
    ("core/access/peers.py", "os.unlink"): "a socket of this account, on which nobody listens",
    ("core/training/child.py", "write_text"): "the kernel's file",
    **{("core/training/agents/cgroup.py", name): "the kernel's groups" for name in ("mkdir", "rmdir", "write_text")},
    ("core/serving/scoring/trial.py", "write_text"): "the kernel's file",
    ("core/evidence/pdf_child.py", "write_text"): "the kernel's file",
    ("core/tables/data_files.py", "open"): "into the folder that `write_folder` made",
    ("core/telemetry/export/files.py", "open"): "into the folder that `write_folder` made",
    ("core/training/own_data/given_rows.py", "write_bytes"): "into a temporary folder",
    ("core/interop/mlflow_model.py", "shutil.copytree"): "into a temporary folder",
    ("console/runtime/hangup.py", "os.open"): "/dev/null",
    ("core/interop/saved_model.py", "os.open"): "/dev/null",
    (
        "core/maintenance/backup/remote_place.py",
        "os.chmod",
    ): "a folder or file of this machine in which backups are, in no workspace",
    ("console/cli/streams.py", "os.open"): "/dev/null",
    ("console/cli/streams.py", "open"): "/dev/null",
    ("bondx/mlops/drift.py", "rename"): "of the columns of a table",
}
OS_CHANGES = frozenset(
    f"os.{name}"
    for name in [
        "remove",
        "unlink",
        "rename",
        "replace",
        "rmdir",
        "removedirs",
        "mkdir",
        "makedirs",
        "link",
        "symlink",
        "truncate",
        "chmod",
    ]
)
PATH_CHANGES = frozenset(
    ["unlink", "rename", "rmdir", "mkdir", "touch", "write_text", "write_bytes", "symlink_to", "hardlink_to", "chmod"],
)
SHUTIL_LOOKS = frozenset({"shutil.which", "shutil.disk_usage", "shutil.get_terminal_size"})


def changes_of(file: Path) -> set[str]:
    """Return by which calls a module writes, renames or removes files by itself."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name, text = ast.unparse(node.func), ast.unparse(node)
        last = name.rpartition(".")[2]
        values = [*node.args, *(word.value for word in node.keywords if word.arg == "mode")]
        modes = [each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        writes = any(set(mode) & set("wax+") and set(mode) <= set("rwaxbt+") for mode in modes)
        if name in OS_CHANGES or name == "sqlite3.connect" or (name.startswith("shutil.") and name not in SHUTIL_LOOKS):
            found.add(name)
        elif name == "os.open":
            if any(flag in text for flag in ("O_WRONLY", "O_RDWR", "O_CREAT")):
                found.add(name)
        elif (isinstance(node.func, ast.Attribute) and last in PATH_CHANGES) or (last == "open" and writes):
            found.add(last)
    return found


def test_files_are_written_renamed_and_removed_in_one_module_alone_which_follows_no_link_out_of_a_workspace():
    files = (path for tree in (*TREES, "bondx") for path in (ROOT / tree).rglob("*.py"))
    found = {(file.relative_to(ROOT).as_posix(), call) for file in files for call in changes_of(file)}
    assert {entry for entry in found if entry[0] != OURS} == WRITERS_OF_THEIR_OWN.keys()


def calls_of(tree: ast.AST, module: str) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    }


INTO_A_NEW_FOLDER = {
    "write_file": lambda path: write_file(path, b"x"),
    "create_once": lambda path: create_once(path, b"x"),
    "replace_end": lambda path: files.replace_end(path, 0, b"x"),
    "write_folder": lambda path: write_folder(path, lambda folder: None),
    "make_root": files.make_root,
}


@pytest.fixture
def synced(monkeypatch):
    """The files and folders that were synced."""
    found, sync = [], files.sync
    monkeypatch.setattr(files, "sync", lambda path: found.append(path) or sync(path))
    return found


@pytest.mark.parametrize("write", INTO_A_NEW_FOLDER.values(), ids=INTO_A_NEW_FOLDER)
def test_the_name_of_every_new_folder_on_the_way_survives_a_power_cut(tmp_path, synced, write):
    write(tmp_path / "new" / "deeper" / "last")
    assert {tmp_path, tmp_path / "new", tmp_path / "new" / "deeper"} <= set(synced)
    synced.clear()
    write(tmp_path / "new" / "deeper" / "other")
    assert tmp_path not in synced, "no folder was new"


def test_what_can_be_written_again_waits_for_no_disk(tmp_path, synced):
    write_file(tmp_path / "new" / "file", b"x", durable=False)
    assert synced == []


def test_files_are_synced_replaced_and_hashed_in_one_module_alone():
    found = set()
    for file in (path for tree in TREES for path in (ROOT / tree).rglob("*.py")):
        parsed, name = ast.parse(file.read_text(encoding="utf-8")), file.relative_to(ROOT).as_posix()
        watched = calls_of(parsed, "os") & {"fsync", "replace", "fdatasync"}
        watched |= calls_of(parsed, "hashlib") & {"file_digest"}
        watched |= calls_of(parsed, "tempfile") & {"mkdtemp", "mkstemp", "NamedTemporaryFile"}
        found |= {(name, function) for function in watched}
    assert {entry for entry in found if entry[0] != OURS} == SEQUENCES_OF_THEIR_OWN


def opened_by_hand(file: Path) -> set[str]:
    """Return by which calls a module opens files for reading by itself; what it writes is another matter."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        reads_whole = name in ("read_bytes", "read_text") and not node.args and "/proc/" not in ast.unparse(node)
        if reads_whole or (name == "open" and modes and set(modes[-1]) <= set("rb")):
            found.add(name)
    return found


def test_files_are_opened_for_reading_by_one_door_which_no_pipe_can_block():
    files = (path for tree in TREES for path in (ROOT / tree).rglob("*.py"))
    found = {(file.relative_to(ROOT).as_posix(), call) for file in files for call in opened_by_hand(file)}
    kernels = ("core/state/filesystem.py", "core/training/agents/cgroup.py")
    assert found == {(file, "read_text") for file in kernels}


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.endswith(UNFINISHED)]


def fill(folder: Path) -> None:
    (folder / "parts").mkdir()
    (folder / "parts" / "one.txt").write_text("1")


def failing(number: int):
    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_written_with_its_folders_and_answered_with_its_hash(tmp_path):
    file = tmp_path / "a" / "b.json"
    assert write_file(file, b"content") == digest(b"content") == sha256_of(file)
    with file.open("rb") as opened:
        opened.read(3)
        assert sha256_of(opened) == digest(b"tent")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "replaceable"])
@pytest.mark.parametrize("step", ["open", "write", "replace"])
def test_a_full_disk_at_any_step_leaves_the_old_file_and_says_so(tmp_path, monkeypatch, step, durable):
    file = tmp_path / "report.md"
    write_file(file, b"old")
    monkeypatch.setattr(os, step, failing(errno.ENOSPC))
    with pytest.raises(DiskFullError, match=r"Cannot write .*report\.md: no space left on device; free some space"):
        write_file(file, b"new", durable=durable)
    monkeypatch.undo()
    assert (file.read_bytes(), leftovers(tmp_path)) == (b"old", [])


def test_a_disk_that_refuses_is_told_apart_from_a_full_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.EROFS))
    for write in (
        lambda: write_file(tmp_path / "a", b""),
        lambda: create_once(tmp_path / "a", b""),
        lambda: write_folder(tmp_path / "a", fill),
    ):
        with pytest.raises(FileAccessError, match=r"Read-only file system\. This change was not made") as refused:
            write()
        assert not isinstance(refused.value, DiskFullError)
    assert list(tmp_path.iterdir()) == []


def test_only_durable_files_wait_for_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    write_file(tmp_path / "cache", b"1", durable=False)
    assert (tmp_path / "cache").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("write", "read"),
    [
        pytest.param(lambda path: write_file(path, b"1"), lambda path: path.read_bytes(), id="file"),
        pytest.param(lambda path: create_once(path, b"1"), lambda path: path.read_bytes(), id="once"),
        pytest.param(
            lambda path: write_folder(path, lambda folder: None), lambda path: path.is_dir() and b"1", id="folder"
        ),
    ],
)
def test_what_stands_in_its_place_without_the_disk_having_confirmed_it_is_in_doubt(tmp_path, monkeypatch, write, read):
    synced = files.sync

    def fail(path):
        if path == tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        synced(path)

    monkeypatch.setattr(files, "sync", fail)
    with pytest.raises(InDoubtError, match="in doubt"):
        write(tmp_path / "it")
    assert read(tmp_path / "it") == b"1"


def test_of_many_that_create_a_file_once_one_does_and_its_content_stays(tmp_path):
    file, ours = tmp_path / "key", []
    start = threading.Barrier(8)

    def create(number: int) -> None:
        start.wait()
        if create_once(file, b"%d" % number, mode=0o600):
            ours.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ours) == 1
    assert file.read_bytes() == b"%d" % ours[0]
    assert file.stat().st_mode & 0o777 == 0o600
    assert leftovers(tmp_path) == []


def test_a_file_whose_folder_cannot_be_made_is_refused_and_not_taken_for_created(tmp_path):
    (tmp_path / "in_the_way").touch()
    with pytest.raises(FileAccessError):
        create_once(tmp_path / "in_the_way" / "key", b"")


@pytest.mark.parametrize("stands", ["nothing", "folder", "file"])
def test_a_folder_takes_the_place_of_what_stands_there(tmp_path, stands):
    place = tmp_path / "epoch"
    if stands == "folder":
        write_folder(place, lambda folder: (folder / "old.txt").touch())
    elif stands == "file":
        place.touch()
    write_folder(place, fill)
    assert [path.name for path in place.rglob("*")] == ["parts", "one.txt"]
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("stage", ["while it is filled", "between the two renames"])
@pytest.mark.parametrize("has_locks", [True, False], ids=["locks", "no locks"])
def test_what_a_killed_writer_of_a_folder_left_beside_it_goes_with_the_next_one(
    stage, has_locks, tmp_path, fork, monkeypatch
):
    place = tmp_path / "epoch [1]"
    write_folder(place, lambda folder: (folder / "old.txt").touch())

    def killed(folder: Path) -> None:
        fill(folder)
        if stage == "while it is filled":
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        def rename(path: Path, target: Path, own=Path.rename) -> None:
            if target == place:
                os.kill(os.getpid(), signal.SIGKILL)
            own(path, target)

        Path.rename = rename
        write_folder(place, killed)

    fork(work).wait()
    assert leftovers(tmp_path) != []
    if not has_locks:
        monkeypatch.setattr("core.files.fcntl.flock", no_locks)
        with pytest.raises(ZeroDivisionError):
            write_folder(place, lambda folder: 1 / 0)
        assert leftovers(tmp_path) != []  # somebody may still be at it
        monkeypatch.setattr("core.files.ABANDONED_SECONDS", 0.0)
    with pytest.raises(ZeroDivisionError):
        write_folder(place, lambda folder: 1 / 0)
    assert leftovers(tmp_path) == []
    assert [path.name for path in place.iterdir()] == ["old.txt"]


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


def test_a_folder_that_somebody_writes_is_not_swept_however_long_that_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("core.files.ABANDONED_SECONDS", 0.0)
    written = threading.Thread(target=lambda: write_folder(tmp_path / "epoch", fill))

    def beside(folder: Path) -> None:
        fill(folder)
        (folder / "mark").touch()
        written.start()
        written.join()
        assert abandoned_folders(tmp_path, "mark") == []
        assert not remove_abandoned(folder)

    write_folder(tmp_path / "epoch", beside)
    assert sorted(path.name for path in (tmp_path / "epoch").iterdir()) == ["mark", "parts"]
    assert leftovers(tmp_path) == []


def test_a_folder_whose_filling_fails_leaves_the_old_one(tmp_path):
    write_folder(tmp_path / "epoch", fill)
    with pytest.raises(ZeroDivisionError):
        write_folder(tmp_path / "epoch", lambda folder: 1 / 0)
    with pytest.raises(DiskFullError):
        write_folder(tmp_path / "epoch", failing(errno.ENOSPC))
    assert (tmp_path / "epoch" / "parts" / "one.txt").exists()
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_exchanged_puts_the_old_one_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "epoch", fill)
    renamed = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name.endswith(UNFINISHED) and target.name == "epoch" and not path.name.endswith(f".old{UNFINISHED}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(FileAccessError):
        write_folder(tmp_path / "epoch", lambda folder: None)
    assert (tmp_path / "epoch" / "parts" / "one.txt").exists()
    assert leftovers(tmp_path) == []


def test_a_new_file_is_hashed_as_it_is_written_and_never_written_over(tmp_path):
    with (ROOT / OURS).open("rb") as source:
        written = write_new(tmp_path / "copy", source, mode=0o444)
    assert written == (sha256_of(ROOT / OURS), (ROOT / OURS).stat().st_size)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o444
    with (ROOT / OURS).open("rb") as source, pytest.raises(FileExistsError):
        write_new(tmp_path / "copy", source)
    assert sha256_of(tmp_path / "copy") == written[0]


class _Broken(io.BytesIO):
    """A source that fails at its second read."""

    def __init__(self, meanwhile=lambda: None):
        super().__init__(b"some")
        self._meanwhile = meanwhile

    def read(self, size=-1):
        if not (found := super().read(size)):
            self._meanwhile()
            raise OSError(errno.EIO, "the disk failed")
        return found


def test_what_could_not_be_written_whole_is_gone_and_nobody_elses_file_is(tmp_path):
    copy = tmp_path / "copy"
    with pytest.raises(OSError, match="the disk failed"):
        write_new(copy, _Broken())
    assert leftovers(tmp_path) == []
    assert not copy.exists()

    def another_writes():
        (tmp_path / "theirs").write_text("theirs")
        os.replace(tmp_path / "theirs", copy)

    with pytest.raises(OSError, match="the disk failed"):
        write_new(copy, _Broken(another_writes))
    assert copy.read_text() == "theirs"


@pytest.mark.parametrize("function", ["write", "fsync", "replace", "rename"])
def test_a_process_that_dies_at_any_step_leaves_the_old_file_or_the_new(tmp_path, function):
    write_file(tmp_path / "state", b"old")
    pid = os.fork()
    if pid == 0:
        setattr(os, function, lambda *args, **kwargs: os._exit(9))
        write_file(tmp_path / "state", b"new")
        os._exit(0)
    os.waitpid(pid, 0)
    assert (tmp_path / "state").read_bytes() in (b"old", b"new")
    write_file(tmp_path / "state", b"next")
    assert (tmp_path / "state").read_bytes() == b"next"
