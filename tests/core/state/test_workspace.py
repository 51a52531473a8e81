import os
from pathlib import Path

import pytest

from core import files
from core.errors import ExitCode
from core.files import FileAccessError
from core.state import UnsuitableFilesystemError, Workspace, WorkspaceNotFoundError
from core.state import filesystem as filesystem_module
from core.state import workspace as workspace_module


@pytest.mark.parametrize(
    ("flag", "environ", "expected"),
    [
        pytest.param("/flag", {"BONDX_HOME": "/home"}, "/flag", id="the flag goes first"),
        pytest.param(None, {"BONDX_HOME": "/home"}, "/home", id="then the environment"),
        pytest.param(None, {"BONDX_HOME": "~/ws"}, "~/ws", id="with the home folder spelled out"),
        pytest.param("relative", {}, "relative", id="relative to where one is"),
    ],
)
def test_the_workspace_is_found_by_flag_then_environment(flag, environ, expected):
    found = Workspace.locate(Path(flag) if flag else None, environ)
    assert found == Path(expected).expanduser().absolute()


@pytest.mark.parametrize("environ", [{}, {"BONDX_HOME": ""}], ids=["nothing set", "set to nothing"])
def test_the_last_resort_is_the_platforms_state_folder(environ):
    assert Workspace.locate(None, environ).name == "bondx"
    assert Workspace.locate(None, environ).is_absolute()


def test_creating_makes_the_whole_layout(tmp_path):
    workspace = Workspace.create(tmp_path / "deep" / "ws", settings_text="max_epochs: 3\n")
    assert workspace.settings_file.read_text() == "max_epochs: 3\n"
    assert {entry.name for entry in workspace.root.iterdir()} == {
        *("bondx.yaml", "state", "telemetry", "audit", "keys", "artifacts", "datasets", "reports", "logs")
    }
    assert workspace.keys_dir.stat().st_mode & 0o777 == 0o700


def test_creating_again_keeps_existing_files(workspace):
    workspace.settings_file.write_text("mine\n")
    workspace.database("registry").table("t").insert({"n": 1})
    again = Workspace.create(workspace.root, settings_text="theirs\n")
    assert again.settings_file.read_text() == "mine\n"
    assert again.database("registry").table("t").all() == [{"n": 1}]


def test_of_two_first_starts_at_once_both_find_the_workspace_of_the_first(tmp_path, monkeypatch):
    root = tmp_path / "ws"
    own_step, create = files.new_folder, Workspace.create

    def after_another_start(path):
        monkeypatch.setattr(files, "new_folder", own_step)
        create(root, settings_text="theirs\n")
        own_step(path)

    monkeypatch.setattr(files, "new_folder", after_another_start)
    workspace = Workspace.create(root, settings_text="mine\n")
    assert workspace.settings_file.read_text() == "theirs\n"
    assert workspace.state_dir.is_dir()


def test_settings_that_another_first_start_writes_at_the_last_moment_stand(tmp_path, monkeypatch):
    root = tmp_path / "ws"
    own_step = workspace_module.create_once

    def after_another_start(path, content):
        own_step(path, b"theirs\n")
        return own_step(path, content)

    monkeypatch.setattr(workspace_module, "create_once", after_another_start)
    assert Workspace.create(root, settings_text="mine\n").settings_file.read_text() == "theirs\n"


@pytest.mark.parametrize(
    "stand_in_the_way",
    [lambda root: root.write_text("notes"), lambda root: root.symlink_to("nowhere")],
    ids=["a file", "a link to nothing"],
)
def test_what_is_no_folder_in_the_place_of_a_new_workspace_is_one_clear_error(tmp_path, stand_in_the_way):
    root = tmp_path / "ws"
    stand_in_the_way(root)
    with pytest.raises(FileAccessError, match=f"^Cannot make {root}: File exists"):
        Workspace.create(root, settings_text="")
    assert not root.exists() or root.read_text() == "notes"


@pytest.mark.parametrize(
    ("make", "missing"),
    [
        pytest.param(lambda root: None, "does not exist", id="no folder"),
        pytest.param(lambda root: root.mkdir(), "holds no bondx.yaml", id="an empty folder"),
        pytest.param(lambda root: root.write_text(""), "does not exist", id="a file"),
    ],
)
def test_opening_a_folder_that_is_not_a_workspace_says_how_to_create_one(tmp_path, make, missing):
    root = tmp_path / "ws"
    make(root)
    with pytest.raises(WorkspaceNotFoundError, match=missing) as not_found:
        Workspace.open(root)
    assert f"bondx init --workspace {root}" in str(not_found.value)
    assert not_found.value.exit_code is ExitCode.USAGE


def test_opening_creates_missing_folders(workspace):
    workspace.logs_dir.rmdir()
    assert Workspace.open(workspace.root).logs_dir.is_dir()


MOUNTS = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:41 / /home rw,relatime shared:2 - nfs4 server:/export rw
41 40 0:42 / /home/fast\040disk rw,relatime - xfs /dev/vdb rw
42 22 0:43 / /mnt/share rw - cifs //server/share rw
43 22 0:44 / /mnt/ssh rw - fuse.sshfs me@there: rw
44 22 0:45 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
45 22 0:46 / /data rw - nfs server:/data rw
46 45 254:3 / /data rw - ext4 /dev/vdc rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/var/bondx", None, id="a disk"),
        pytest.param("/home/anna/bondx", "nfs4", id="NFS"),
        pytest.param("/home/fast disk/bondx", None, id="a disk mounted below NFS, with a blank in its name"),
        pytest.param("/homework", None, id="a name that only begins like the mount"),
        pytest.param("/mnt/share/x", "cifs", id="a Windows share"),
        pytest.param("/mnt/ssh", "fuse.sshfs", id="SSHFS"),
        pytest.param("/mnt/ntfs/x", None, id="a local disk through FUSE"),
        pytest.param("/data/x", None, id="a disk mounted over NFS"),
    ],
)
def test_network_file_systems_are_refused_with_one_sentence(path, kind, tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    if kind is None:
        filesystem_module.require_local(Path(path), mounts)
        return
    with pytest.raises(UnsuitableFilesystemError, match=kind) as refused:
        filesystem_module.require_local(Path(path), mounts)
    assert refused.value.exit_code is ExitCode.REFUSED
    assert "--workspace" in str(refused.value)


def test_where_the_kernel_lists_no_mounts_every_folder_passes(tmp_path):
    filesystem_module.require_local(tmp_path, tmp_path / "none")


def test_a_workspace_is_the_same_by_whatever_name_its_folder_goes(workspace, tmp_path):
    link = tmp_path / "link"
    os.symlink(workspace.root, link)
    assert Workspace.open(link).database("registry") is workspace.database("registry")
