"""Versions encrypted at rest: nothing of them lies readable on the disk, and whoever reads them reads the same."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core import sealed_files
from core.errors import ExitCode, UsageError
from core.explain.conformal import Conformal
from core.explain.stored import read_explanation
from core.maintenance.backup import BackupRepository, create_backup, restore_workspace
from core.maintenance.doctor import examine
from core.maintenance.sealing import SealingResult, seal_as_configured, unseal
from core.monitoring.estimation.held_out import HeldOutRows
from core.registry import Registry, artifacts
from core.registry.artifacts import MEMORY_FOLDER, ArtifactStore
from core.registry.errors import HashMismatchError
from core.registry.manifest import MANIFEST_NAME, check
from core.registry.version_bump import Makeup, part_to_raise
from core.sealed_files import SealedFileError, is_sealed
from core.state import Workspace
from tests.prices import prices, train_on_prices
from tests.retraining_world import ANA

KEY, NEW = "the key of these tests", "the next key of these tests"
SEALED = "encryption: {apply_to: [artifacts], key_env: SEAL_KEY}\n"
READS = [
    ["registry", "list"],
    ["registry", "show", "pricing", "1.0.0"],
    ["registry", "verify"],
    ["registry", "diff", "pricing", "1.0.0", "1.1.0"],
    ["registry", "bom", "pricing", "1.0.0"],
    ["registry", "provenance", "pricing", "1.0.0"],
    ["registry", "promote", "pricing", "1.0.0", "--dry-run"],
    ["explain", "pricing@1.0.0"],
    ["explain", "pricing@1.0.0", "--row", '{"size": 1.5, "grade": "A"}'],
    ["drift", "profile", "pricing", "--version", "1.0.0"],
    ["data", "classify", "--model", "pricing", "--version", "1.0.0"],
]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAL_KEY", KEY)


@pytest.fixture
def new_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forget the keys that this process has used, as a new process does."""

    def forget() -> None:
        monkeypatch.setattr(sealed_files, "_sealers", {})

    forget()
    return forget


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace of two models, one with two versions, and the files that they learned from."""
    folder = tmp_path_factory.mktemp("trained")
    train_on_prices(folder)
    prices(2, 500).drop(columns="sold").to_csv(folder / "more.csv", index=False)
    more = ["--model", "pricing", "--data", str(folder / "more.csv"), "--target", "price"]
    assert mlops(["train", "--workspace", str(folder / "ws"), *more]) == 0
    return folder


@pytest.fixture
def plain(trained: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(trained, tmp_path / "plain", symlinks=True)
    return Workspace.open(tmp_path / "plain" / "ws")


@pytest.fixture
def sealed(trained: Path, tmp_path: Path, new_process: object) -> Workspace:
    shutil.copytree(trained, tmp_path / "sealed", symlinks=True)
    workspace = Workspace.open(tmp_path / "sealed" / "ws")
    settle(workspace, SEALED)
    assert seal_as_configured(workspace, actor=ANA).left == ()
    return workspace


def settle(workspace: Workspace, text: str) -> None:
    workspace.settings_file.write_text(text)


def files_of(workspace: Workspace) -> Iterator[Path]:
    """Yield the files of versions, their manifests left out."""
    for model, version in ArtifactStore(workspace.artifacts_dir).published():
        folder = workspace.artifacts_dir / model / version
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST_NAME)


def test_every_reader_says_of_sealed_versions_what_it_says_of_plain_ones(
    plain: Workspace, sealed: Workspace, called: Any
) -> None:
    assert not any(map(is_sealed, files_of(plain)))
    assert all(map(is_sealed, files_of(sealed)))
    assert len(list(files_of(sealed))) == len(list(files_of(plain))) > 15
    for command in READS:
        told = []
        for workspace in (plain, sealed):
            code, out, err = called(main, *command, "--workspace", workspace.root)
            assert code == 0, (command, err)
            told.append((out + err).replace(str(workspace.root), "WS"))
        assert told[0] == told[1], command
        assert told[0].strip(), command


def test_the_engine_reads_in_place_what_it_estimates_and_explains_by(plain: Workspace, sealed: Workspace) -> None:
    read = []
    for workspace in (plain, sealed):
        folder = workspace.artifacts_dir / "pricing" / "1.0.0"
        kept, intervals = HeldOutRows.read(folder, "pricing/1.0.0"), Conformal.read(folder, "pricing/1.0.0")
        read.append((kept.rows.to_csv(), kept.actual.tolist(), intervals, read_explanation(folder)))
    assert read[0] == read[1]


def test_what_is_registered_is_sealed_with_the_manifest_of_the_plain_files(
    plain: Workspace, sealed: Workspace, trained: Path
) -> None:
    for workspace in (plain, sealed):
        again = ["--model", "again", "--data", str(trained / "prices.csv"), "--target", "price"]
        assert mlops(["train", "--workspace", str(workspace.root), *again]) == 0
    made, expected = (Registry(workspace).get("again", "1.0.0") for workspace in (sealed, plain))
    assert made.manifest_sha256 == expected.manifest_sha256
    folder = sealed.artifacts_dir / made.path
    assert all(is_sealed(path) != (path.name == MANIFEST_NAME) for path in folder.iterdir())
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o400}
    assert all(result.ok for result in Registry(sealed).verify(None))


def test_a_version_is_loaded_from_memory_and_the_disk_holds_nothing_plain(sealed: Workspace) -> None:
    with Registry(sealed).opened("pricing", "1.0.0") as folder:
        assert folder.parent == MEMORY_FOLDER
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not any(map(is_sealed, folder.iterdir()))
        header = (folder / "model.json").read_bytes()
        assert not [path for path in sealed.root.rglob("*") if path.is_file() and header in path.read_bytes()]
    assert not folder.exists()


def test_the_copy_of_a_killed_process_goes_with_the_next_sweep_and_nobody_elses(
    sealed: Workspace, plain: Workspace
) -> None:
    with Registry(sealed).opened("pricing", "1.0.0") as folder:
        left = folder.with_name(f"{folder.name[:-1]}{'1' if folder.name[-1] == '0' else '0'}")
        left.mkdir(mode=0o700)
        (left / "model.json").write_text("{}")
        assert ArtifactStore(plain.artifacts_dir).clear_staging() == 0
        assert left.exists()
        assert ArtifactStore(sealed.artifacts_dir).clear_staging() == 1
        assert not left.exists()
        assert folder.exists()


def test_where_memory_has_no_room_the_copy_lies_in_the_staging_area_and_the_log_says_so(
    sealed: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for place, why in ((sealed.root / "nowhere", "No such file"), (MEMORY_FOLDER, "it has no room")):
        monkeypatch.setattr(artifacts, "MEMORY_FOLDER", place)
        monkeypatch.setattr(artifacts, "_free_bytes", lambda folder: os.statvfs(folder).f_bavail * 0)
        with Registry(sealed).opened("pricing", "1.0.0") as folder:
            assert folder.parent == sealed.artifacts_dir / ".staging"
        assert "a sealed version is copied to the disk" in caplog.text
        assert why in caplog.text
        caplog.clear()


def test_without_the_key_every_reader_says_so_and_no_session_starts(
    sealed: Workspace, monkeypatch: pytest.MonkeyPatch, called: Any, new_process: Callable[[], None], tmp_path: Path
) -> None:
    monkeypatch.delenv("SEAL_KEY")
    new_process()
    with (
        pytest.raises(HashMismatchError, match=r"cannot be read \(.*SEAL_KEY"),
        Registry(sealed).opened("pricing", "1.0.0"),
    ):
        pass
    assert "SEAL_KEY" in examine(sealed)[0].problem
    code, out, err = called(main, "registry", "verify", "--workspace", sealed.root)
    assert code == ExitCode.FAILING
    assert "SEAL_KEY" in out + err
    train = ["train", "--model", "more", "--data", str(sealed.root.parent / "prices.csv"), "--target", "price"]
    code, out, err = called(mlops, *train, "--workspace", sealed.root)
    assert code == ExitCode.USAGE
    assert "SEAL_KEY" in err
    assert "more" not in {each.model for each in Registry(sealed).versions(None)}


def test_a_file_that_another_key_opens_is_never_said_to_be_missing_changed_or_equal(
    sealed: Workspace, monkeypatch: pytest.MonkeyPatch, called: Any, new_process: Callable[[], None]
) -> None:
    monkeypatch.setenv("SEAL_KEY", NEW)
    new_process()
    place = ["--workspace", sealed.root]
    code, out, err = called(main, "evidence", "build", *place, "version", "pricing", "1.0.0")
    assert (code, "report.json' is sealed with another key" in err) == (ExitCode.USAGE, True), out + err
    assert not list((sealed.reports_dir / "evidence").glob("*"))
    code, out, _ = called(main, "registry", "verify", *place)
    assert (code, "NOT READ" in out, "DAMAGED" in out) == (ExitCode.FAILING, True, False)
    code, _, err = called(main, "registry", "bom", *place, "pricing", "1.0.0")
    assert (code, "cannot be compared with the registered files" in err) == (ExitCode.REFUSED, True), err
    code, out, err = called(main, "registry", "diff", *place, "pricing", "1.0.0", "1.1.0")
    assert "is sealed with another key" in out + err
    folder = sealed.artifacts_dir / "pricing"
    found = part_to_raise(Makeup.of(folder / "1.0.0", {}), Makeup.of(folder / "1.1.0", {}))
    assert found == ("major", "report.json cannot be opened, so the schema was not compared")


def test_versions_follow_the_settings_there_and_back_and_take_a_new_key(
    plain: Workspace, sealed: Workspace, monkeypatch: pytest.MonkeyPatch, new_process: Callable[[], None]
) -> None:
    n_files = len(list(files_of(sealed)))
    assert seal_as_configured(sealed, actor=ANA) == SealingResult(n_as_they_were=n_files)
    monkeypatch.setenv("SEAL_KEY", NEW)
    monkeypatch.setenv("OLD_KEY", KEY)
    new_process()
    assert (
        main(["data", "seal", "--workspace", str(sealed.root), "--old-key-env", "OLD_KEY", "--reason", "yearly"]) == 0
    )
    monkeypatch.delenv("OLD_KEY")
    new_process()
    assert all(result.ok for result in Registry(sealed).verify(None))
    settle(sealed, "encryption: {key_env: SEAL_KEY}\n")
    assert seal_as_configured(sealed, actor=ANA).n_unsealed == n_files
    before, after = (
        {path.relative_to(each.root): path.read_bytes() for path in files_of(each)} for each in (plain, sealed)
    )
    assert after == before


def test_what_an_interrupted_writer_leaves_is_no_part_of_a_version(
    plain: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    settle(plain, SEALED)
    with monkeypatch.context() as patched:
        patched.setattr(artifacts, "rename", killed)
        patched.setattr(artifacts, "_remove_private_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            seal_as_configured(plain, actor=ANA)
    assert all(result.ok for result in Registry(plain).verify(None))
    assert seal_as_configured(plain, actor=ANA).left == ()
    assert all(result.ok for result in Registry(plain).verify(None))


def test_a_version_is_unsealed_elsewhere_as_it_was_registered(
    plain: Workspace, sealed: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = sealed.artifacts_dir / "pricing" / "1.0.0", tmp_path / "out"
    assert main(["data", "unseal", str(source), "--out", str(out), "--key-env", "SEAL_KEY"]) == 0
    version = Registry(plain).get("pricing", "1.0.0")
    assert check(out, version.manifest_sha256) == []
    assert all(
        (out / path.name).read_bytes() == path.read_bytes() for path in (plain.artifacts_dir / version.path).iterdir()
    )
    with pytest.raises(UsageError, match="has no file whose name ends in"):
        unseal(plain.artifacts_dir / version.path, tmp_path / "again")


def test_a_damaged_sealed_file_is_told_from_one_without_a_key(sealed: Workspace) -> None:
    path = sealed.artifacts_dir / "pricing" / "1.0.0" / "model.json"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    (result,) = [each for each in Registry(sealed).verify("pricing") if each.version == "1.0.0"]
    assert "its bytes were changed" in result.problems[0]
    assert not result.is_unread
    with pytest.raises(HashMismatchError, match=r"differ from.*its bytes were changed"):
        Registry(sealed).load_path("pricing", "1.0.0")


def test_backups_hold_versions_sealed_compare_their_contents_once_and_are_restored_with_their_key_or_uncompared(
    sealed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_process: Callable[[], None]
) -> None:
    first = create_backup(sealed, tmp_path / "backups", None, actor=ANA)
    assert first.problems == ()
    monkeypatch.delenv("SEAL_KEY")
    new_process()
    second = create_backup(sealed, tmp_path / "backups", None, actor=ANA)
    assert second.problems == ()  # unchanged since it was compared
    repository = BackupRepository.open(tmp_path / "backups", None)
    with pytest.raises(SealedFileError, match="sealed with another key than the one that was named"):
        restore_workspace(repository, second.backup_id, tmp_path / "other", actor=ANA, sealed_key=NEW.encode())
    assert not (tmp_path / "other").exists()
    unread = restore_workspace(repository, second.backup_id, tmp_path / "unread", actor=ANA)
    assert (unread.n_versions, unread.n_uncompared) == (3, 3)
    compared = restore_workspace(
        repository, second.backup_id, tmp_path / "restored", actor=ANA, sealed_key=KEY.encode()
    )
    assert (compared.n_versions, compared.n_uncompared) == (3, 0)
    monkeypatch.setenv("SEAL_KEY", KEY)
    restored = Workspace.open(tmp_path / "restored")
    assert all(map(is_sealed, files_of(restored)))
    assert all(result.ok for result in Registry(restored).verify(None))


def test_a_backup_without_the_key_is_whole_and_says_what_was_not_compared(
    sealed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_process: Callable[[], None]
) -> None:
    monkeypatch.delenv("SEAL_KEY")
    new_process()
    made = create_backup(sealed, tmp_path / "backups", None, actor=ANA)
    assert len(made.problems) == len(list(files_of(sealed)))
    assert all("could not be compared" in problem and "SEAL_KEY" in problem for problem in made.problems)
    monkeypatch.setenv("SEAL_KEY", KEY)
    repository = BackupRepository.open(tmp_path / "backups", None)
    restore_workspace(repository, made.backup_id, tmp_path / "back", actor=ANA, sealed_key=KEY.encode())
    assert all(result.ok for result in Registry(Workspace.open(tmp_path / "back")).verify(None))


@pytest.mark.parametrize("model", ["", "pricing"])
@pytest.mark.parametrize("key", ["", "SEAL_KEY"])
def test_a_restoration_runs_nothing_that_the_backup_names(
    sealed: Workspace, tmp_path: Path, new_process: Callable[[], None], called: Any, model: str, key: str
) -> None:
    run = f"{sys.executable} -c \"open('{tmp_path}/ran', 'w'); print('{KEY}')\""
    create_backup(sealed, tmp_path / "backups", None, actor=ANA)
    for settings in (f"encryption:\n  apply_to: [artifacts]\n  key_command: >-\n    {run}\n", "encryption: [\n"):
        settle(sealed, settings)
        with suppress(UsageError):
            create_backup(sealed, tmp_path / "backups", None, actor=ANA)
        (tmp_path / "ran").unlink(missing_ok=True)
        new_process()
        words = ["restore", "--from", tmp_path / "backups", "--workspace", tmp_path / f"restored {len(settings)}"]
        more = (["--model", model] if model else []) + (["--sealed-key-env", key] if key else [])
        code, out, err = called(main, *words, *more)
        assert code == ExitCode.GOOD, err
        assert (tmp_path / f"restored {len(settings)}" / "bondx.yaml").read_text() == settings
        assert not (tmp_path / "ran").exists()
        assert ("restored without comparing them, since their key is not named" in err) == (not key)
        n = len(Registry(sealed).versions(model or None))
        assert f"Verified: {n if key else 0} version" in out
