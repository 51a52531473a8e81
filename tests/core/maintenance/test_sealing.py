"""Encryption at rest over a workspace: what the settings name is sealed and read again, and the key can change."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bondx.ml import unseal
from console.cli.main import main
from core.confinement import confine
from core.errors import ExitCode
from core.governance import AuditLog
from core.maintenance.doctor import examine
from core.maintenance.sealing import SealingResult, seal_as_configured
from core.sealed_files import AnotherSealKeyError, SealedFileError, is_sealed, seal, sealer_of
from core.settings.encryption import SealedKind
from core.settings.in_force import settings_in_force
from core.settings.sealing import content_sha256, sealer_around
from core.tables import read_table
from core.training.data_lineage import kept_data_sets
from core.training.data_sets import DataSets
from core.training.panels import SessionPanels
from core.training.session import as_document
from tests.core.telemetry.test_export import stores  # noqa: F401 - a fixture
from tests.retraining_world import ANA

KEY, NEW = "the key of these tests", "the next key of these tests"
SEALED = "encryption: {apply_to: [datasets, exports], key_env: SEAL_KEY}\n"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAL_KEY", KEY)


def settle(workspace: Any, text: str) -> None:
    workspace.settings_file.write_text(text + "random_seed: 7\ndataset_size: 60\ndatasets: {formats: [parquet, csv]}\n")


def data_set(workspace: Any) -> Path:
    """Keep a data set as a session does, and return its folder."""
    settings = settings_in_force(workspace.root).training
    folder = workspace.reports_dir / "s-0001" / "datasets"
    DataSets(settings, as_document(settings), folder).keep("epoch_0001", SessionPanels(settings).epoch(1))
    return folder / "epoch_0001"


def test_data_sets_are_sealed_and_every_reader_of_tables_reads_them(workspace: Any) -> None:
    settle(workspace, "")
    plain = data_set(workspace)
    before = {path.name: path.read_bytes() for path in plain.iterdir()}
    settle(workspace, SEALED)
    folder = data_set(workspace)
    assert {path.name for path in folder.iterdir()} == {
        *("data.csv.sealed", "data.parquet.sealed", "truth.parquet.sealed"),
        *("lineage.json", "SYNTHETIC.txt"),
    }
    assert before["lineage.json"] == (folder / "lineage.json").read_bytes()  # its hashes are of the contents
    (lineage,) = kept_data_sets(folder.parent)
    for name, file in lineage.files.items():
        sealed = folder / f"{name}.sealed"
        assert is_sealed(sealed)
        assert content_sha256(sealed) == file.sha256
        assert before[name][100:164] not in sealed.read_bytes()
        table = read_table(sealed)
        assert (table.source.sha256, len(table)) == (file.sha256, file.n_rows)


def test_an_export_is_sealed_and_unsealed_elsewhere_by_its_key_alone(
    workspace: Any,
    stores: tuple[Path, Path],  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for store, place in zip(stores, (workspace.predictions_file, workspace.telemetry_file), strict=True):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(store.read_bytes())
    export = ["--workspace", str(workspace.root), "telemetry", "export", "--what", "outcomes"]
    assert main([*export, "--out", str(tmp_path / "plain")]) == 0
    settle(workspace, SEALED)
    plain = (tmp_path / "plain" / "outcomes.parquet").read_bytes()
    for form in ("parquet", "csv"):
        assert main([*export, "--format", form, "--out", str(tmp_path / form)]) == 0
    sealed = tmp_path / "parquet" / "outcomes.parquet.sealed"
    assert is_sealed(sealed)
    assert len(read_table(tmp_path / "csv" / "outcomes.csv.sealed")) == len(pd.read_parquet(tmp_path / "plain"))

    (tmp_path / ".again.parquet.new").write_bytes(plain[:100])  # a killed process had begun
    (made,) = unseal(sealed, tmp_path / "again.parquet", key_env="SEAL_KEY")
    assert (tmp_path / "again.parquet").read_bytes() == plain
    assert made.sha256 == content_sha256(tmp_path / "again.parquet")
    assert main(["data", "unseal", str(sealed.parent), "--out", str(tmp_path / "all"), "--key-env", "SEAL_KEY"]) == 0
    assert (tmp_path / "all" / "outcomes.parquet").read_bytes() == plain
    damaged = bytearray(sealed.read_bytes())
    damaged[-20] ^= 1
    sealed.write_bytes(damaged)
    capsys.readouterr()
    assert main(["data", "unseal", str(sealed), "--out", str(tmp_path / "bad"), "--key-env", "SEAL_KEY"]) == 2
    assert "its bytes were changed" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if "bad" in path.name] == []


def test_without_the_key_nothing_is_read_and_nothing_is_written(
    workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(workspace, SEALED)
    sealed = data_set(workspace) / "data.csv.sealed"
    assert examine(workspace) == []

    monkeypatch.setenv("SEAL_KEY", "a mistyped key of the person")
    with pytest.raises(AnotherSealKeyError, match="another key than that of the settings: bondx data seal --old-key"):
        read_table(sealed)
    with pytest.raises(AnotherSealKeyError, match="not the one of before"):
        data_set(workspace)
    (found,) = examine(workspace)
    assert "not the one of before" in found.problem

    monkeypatch.delenv("SEAL_KEY")
    (found,) = examine(workspace)
    assert "SEAL_KEY" in found.problem
    settle(workspace, "")
    with pytest.raises(SealedFileError, match="is sealed, and no key is named: set encryption"):
        read_table(sealed)


def test_the_key_changes_and_the_files_follow_the_settings_there_and_back(
    workspace: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(workspace, "")
    folder = data_set(workspace)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    settle(workspace, SEALED)
    assert seal_as_configured(workspace, actor=ANA).n_sealed == 3
    assert seal_as_configured(workspace, actor=ANA) == SealingResult(n_as_they_were=3)
    sealed = (folder / "data.csv.sealed").read_bytes()
    assert not (folder / "data.csv").exists()

    monkeypatch.setenv("SEAL_KEY", NEW)
    monkeypatch.setenv("OLD_KEY", KEY)
    command = ["--workspace", str(workspace.root), "data", "seal"]
    derivation = (workspace.root / "keys" / "sealing.json").read_bytes()
    for former in ([], ["--old-key-env", "SEAL_KEY"]):  # the new key may be a mistyped old one
        assert main([*command, *former]) == ExitCode.USAGE
        assert "bondx data seal --old-key-file FILE takes the files" in capsys.readouterr().err
    assert (workspace.root / "keys" / "sealing.json").read_bytes() == derivation
    assert main([*command, "--old-key-env", "OLD_KEY", "--reason", "the yearly change"]) == 0
    assert "0 files sealed, 0 unsealed, 3 taken to the new key" in capsys.readouterr().out
    assert (folder / "data.csv.sealed").read_bytes()[-1000:] == sealed[-1000:]
    monkeypatch.delenv("OLD_KEY")
    assert len(read_table(folder / "data.csv.sealed")) == 60

    settle(workspace, "encryption: {key_env: SEAL_KEY}\n")
    assert seal_as_configured(workspace, actor=ANA).n_unsealed == 3
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    records = [each for each in AuditLog(workspace).tail(20) if each.verb == "workspace.seal"]
    assert [(each.after["sealed"], each.after["taken"], each.after["unsealed"]) for each in records] == [
        *((3, 0, 0), (0, 0, 0), (0, 3, 0), (0, 0, 3))
    ]


def test_settings_without_a_key_are_refused(workspace: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for text, why in (
        ("encryption: {apply_to: [datasets]}\n", "apply_to needs a key"),
        ("encryption: {key_env: A, key_file: b}\n", "exclude each other"),
        ("encryption: {apply_to: [everything], key_env: A}\n", "everything"),
    ):
        workspace.settings_file.write_text(text)
        assert main(["config", "validate", str(workspace.settings_file)]) == 1
        assert why in capsys.readouterr().out


def test_the_settings_of_a_folder_where_a_file_lies_are_not_asked_for_a_key(
    workspace: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "bondx.yaml").write_text(f"encryption: {{key_command: 'sh -c \"touch {tmp_path}/ran; echo {KEY}\"'}}\n")
    (strange / "prices.csv").write_bytes(seal(b"price\n1\n", sealer_of(KEY.encode())))
    ways = (["data", "classify"], ["data", "unseal", "--out", str(tmp_path / "out")])
    for way in ways:
        command = [*way[:2], str(strange / "prices.csv"), *way[2:], "--workspace", str(workspace.root)]
        assert main(command) == ExitCode.USAGE
        assert "no key is named: set encryption.key_file" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_a_folder_of_backups_around_the_files_of_a_session_has_no_settings_to_ask(tmp_path: Path) -> None:
    confine(tmp_path)  # as whoever opens a folder of backups does
    assert sealer_around(tmp_path / "session", SealedKind.DATASETS) is None
    (tmp_path / "sealed.csv").write_bytes(seal(b"price\n1\n", sealer_of(KEY.encode())))
    with pytest.raises(SealedFileError, match="no key is named"):
        read_table(tmp_path / "sealed.csv")
