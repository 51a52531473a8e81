import errno
import os
import socket
from pathlib import Path

import pytest

from core.registry.artifacts import STAGING_NAME, ArtifactStore
from core.registry.errors import ArtifactRefusedError
from core.registry.manifest import MANIFEST_NAME, check, read_manifest


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def publish(store: ArtifactStore, source: Path, version: str = "1.0.0") -> str:
    with store.staged(source, {}) as staged:
        store.publish(staged, "spread", version)
        return staged.manifest_sha256


def test_a_published_artifact_is_the_source_with_a_matching_manifest(store: ArtifactStore, source: Path) -> None:
    sha256 = publish(store, source)
    folder = store.folder("spread", "1.0.0")
    assert (folder / "trees" / "0.txt").read_text() == "leaf\n"
    assert set(read_manifest(folder).files) == {"model.txt", "trees/0.txt"}
    assert check(folder, sha256) == []


def test_the_same_files_have_the_same_manifest_to_the_byte(store: ArtifactStore, source: Path) -> None:
    assert publish(store, source, "1.0.0") == publish(store, source, "1.1.0")
    manifests = [(store.folder("spread", number) / MANIFEST_NAME).read_bytes() for number in ("1.0.0", "1.1.0")]
    assert manifests[0] == manifests[1]


def test_files_of_an_artifact_are_read_only(store: ArtifactStore, source: Path) -> None:
    publish(store, source)
    assert not any(path.stat().st_mode & 0o222 for path in store.folder("spread", "1.0.0").rglob("*.txt"))


def test_a_later_change_of_the_source_does_not_reach_the_artifact(store: ArtifactStore, source: Path) -> None:
    sha256 = publish(store, source)
    (source / "model.txt").write_text("other\n")
    assert check(store.folder("spread", "1.0.0"), sha256) == []


@pytest.mark.parametrize("is_published", [True, False], ids=["published", "given up"])
def test_the_staging_area_is_empty_afterwards(store: ArtifactStore, source: Path, is_published: bool) -> None:
    with store.staged(source, {}) as staged:
        if is_published:
            store.publish(staged, "spread", "1.0.0")
    assert list((store.root / STAGING_NAME).iterdir()) == []


@pytest.mark.parametrize("is_empty", [True, False], ids=["an empty folder", "a full folder"])
def test_nothing_that_exists_is_replaced(store: ArtifactStore, source: Path, is_empty: bool) -> None:
    taken = store.folder("spread", "1.0.0")
    taken.mkdir(parents=True)
    if not is_empty:
        (taken / "precious").touch()
    with pytest.raises(ArtifactRefusedError, match="already exists"):
        publish(store, source)
    assert taken.exists()


def test_a_model_folder_that_is_a_link_is_not_followed(store: ArtifactStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    store.root.mkdir()
    (store.root / "spread").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactRefusedError):
        publish(store, source)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def plant_link(source: Path) -> None:
    (source / "link.txt").symlink_to("/etc/passwd")


def plant_folder_link(source: Path) -> None:
    (source / "trees2").symlink_to(source / "trees")


def plant_pipe(source: Path) -> None:
    os.mkfifo(source / "pipe")


def plant_socket(source: Path) -> None:
    with socket.socket(socket.AF_UNIX) as planted:
        where = os.getcwd()
        os.chdir(source)  # a socket's path has to be short
        try:
            planted.bind("socket")
        finally:
            os.chdir(where)


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        pytest.param(plant_link, "link.txt is a symbolic link", id="a link to a file"),
        pytest.param(plant_folder_link, "trees2 is a symbolic link", id="a link to a folder"),
        pytest.param(plant_pipe, "pipe is neither a file nor a folder", id="a pipe"),
        pytest.param(plant_socket, "socket is neither a file nor a folder", id="a socket"),
        pytest.param(lambda source: (source / "m.PKL").touch(), "m.PKL is a pickle, which is code", id="a pickle"),
        pytest.param(lambda source: (source / MANIFEST_NAME).touch(), "written by the registry", id="a manifest"),
        pytest.param(lambda source: (source / "a\nb").touch(), r"'a\\nb' cannot be written", id="a line end"),
        pytest.param(lambda source: Path(os.fsdecode(bytes(source) + b"/\xff")).touch(), "cannot be", id="not UTF-8"),
    ],
)
def test_anything_but_plain_files_is_refused(store: ArtifactStore, source: Path, plant, sentence: str) -> None:
    plant(source)
    with pytest.raises(ArtifactRefusedError, match=sentence) as refusal:
        publish(store, source)
    assert str(refusal.value).endswith("Nothing was registered.")
    assert not store.folder("spread", "1.0.0").exists()


def test_an_empty_folder_is_not_an_artifact(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactRefusedError, match="holds no files"):
        publish(store, tmp_path / "empty")


def test_one_file_becomes_an_artifact_of_one_file(store: ArtifactStore, source: Path) -> None:
    publish(store, source / "model.txt")
    folder = store.folder("spread", "1.0.0")
    assert (folder / "model.txt").read_text() == (source / "model.txt").read_text()
    assert not (folder / "trees").exists()


def test_a_missing_source_is_refused(store: ArtifactStore, source: Path) -> None:
    with pytest.raises(ArtifactRefusedError, match=r"nowhere\.txt does not exist\."):
        publish(store, source / "nowhere.txt")
    (source.parent / "link").symlink_to(source / "model.txt")
    with pytest.raises(ArtifactRefusedError, match="is neither a folder nor a plain file"):
        publish(store, source.parent / "link")


def test_one_pickled_file_is_refused_like_a_folder_with_one(store: ArtifactStore, source: Path) -> None:
    (source / "m.pkl").touch()
    with pytest.raises(ArtifactRefusedError, match="is a pickle, which is code"):
        publish(store, source / "m.pkl")


def test_a_full_disk_leaves_nothing_behind(store: ArtifactStore, source: Path, monkeypatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(ArtifactRefusedError, match=r"could not be copied: No space left on device\. Nothing"):
        publish(store, source)
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_clearing_the_staging_area_spares_a_copy_in_progress(store: ArtifactStore, source: Path) -> None:
    orphan = store.root / STAGING_NAME / "0123456789abcdef"
    orphan.mkdir(parents=True)
    (orphan / "half").touch()
    with store.staged(source, {}) as staged:
        assert store.clear_staging() == 1
        assert staged.folder.exists()
    assert not orphan.exists()


def edit(folder: Path, name: str, content: str) -> None:
    (folder / name).chmod(0o644)
    (folder / name).write_text(content)


def exchange(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "aside")
    (folder / name).symlink_to(folder.parent / "aside")


@pytest.mark.parametrize(
    ("tamper", "clause"),
    [
        pytest.param(lambda folder: edit(folder, "model.txt", "twig\n"), "model.txt was changed", id="same size"),
        pytest.param(lambda folder: edit(folder, "model.txt", "x"), "model.txt has 1 bytes instead of 5", id="cut"),
        pytest.param(lambda folder: (folder / "trees/0.txt").unlink(), "trees/0.txt is missing", id="removed"),
        pytest.param(lambda folder: (folder / "extra").touch(), "extra was added", id="added"),
        pytest.param(lambda folder: exchange(folder, "model.txt"), "not a plain file", id="a link to the same bytes"),
        pytest.param(lambda folder: edit(folder, MANIFEST_NAME, "{}"), "MANIFEST.json was changed", id="manifest"),
        pytest.param(lambda folder: (folder / MANIFEST_NAME).unlink(), "MANIFEST.json is missing", id="no manifest"),
        pytest.param(lambda folder: folder.rename(folder.with_name("gone")), "the folder is missing", id="no folder"),
    ],
)
def test_every_kind_of_tampering_is_named(store: ArtifactStore, source: Path, tamper, clause: str) -> None:
    sha256 = publish(store, source)
    folder = store.folder("spread", "1.0.0")
    tamper(folder)
    problems = check(folder, sha256)
    assert len(problems) == 1
    assert clause in problems[0]


@pytest.mark.parametrize("linked", ["", "spread", ".staging"])
def test_no_folder_is_deleted_through_a_link(tmp_path, linked):
    store = ArtifactStore(tmp_path / "artifacts")
    for name in ("spread/1.0.0", ".staging/left"):
        (store.root / name).mkdir(parents=True)
        (store.root / name / "precious").touch()
    link, victim = store.root / linked, tmp_path / "victim"
    link.rename(victim)
    link.symlink_to(victim)
    before = sorted(victim.rglob("*"))
    store.withdraw("spread", "1.0.0")
    if linked != "spread":
        assert store.clear_staging() == 0
    assert sorted(victim.rglob("*")) == before
