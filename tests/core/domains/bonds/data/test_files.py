import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.domains.bonds.data import PanelSettings, generate, read_lineage, read_panel, write_panel
from core.domains.bonds.data.columns import COLUMNS
from core.domains.bonds.data.files import DamagedPanelError
from core.errors import NotFoundError, UsageError
from core.files import DiskFullError, FolderInUseError


@pytest.fixture(scope="module")
def small():
    return generate(PanelSettings(n_rows=400, seed=6))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("formats", [("parquet", "csv", "jsonl"), ("parquet",), ("csv",)], ids="-".join)
def test_a_panel_survives_storage_exactly(small, tmp_path, formats):
    write_panel(small, tmp_path / "out", formats=formats)
    back = read_panel(tmp_path / "out")
    pd.testing.assert_frame_equal(back.bonds, small.bonds, check_exact=True)
    pd.testing.assert_frame_equal(back.truth, small.truth, check_exact=True)
    assert back.settings == small.settings
    assert back.metadata == small.metadata


def test_every_file_says_that_it_is_synthetic(small, tmp_path):
    lineage = write_panel(small, tmp_path / "out")
    assert lineage.synthetic
    assert "Synthetic" in (tmp_path / "out" / "SYNTHETIC.txt").read_text()
    for name in ("bonds.parquet", "truth.parquet"):
        assert pq.read_schema(tmp_path / "out" / name).metadata[b"synthetic"] == b"true"
    assert all(
        line.split(",")[2].startswith("XX") for line in (tmp_path / "out" / "bonds.csv").read_text().splitlines()[1:]
    )


def test_the_lineage_names_seed_settings_versions_rows_and_hashes(small, tmp_path):
    write_panel(small, tmp_path / "out")
    lineage = read_lineage(tmp_path / "out")
    assert lineage.settings == small.settings
    assert set(lineage.files) == {"bonds.parquet", "bonds.csv", "bonds.jsonl", "truth.parquet"}
    assert all(len(file.sha256) == 64 and file.n_rows == 400 for file in lineage.files.values())
    assert set(lineage.library_versions) == {"numpy", "pandas", "pyarrow"}
    assert len(lineage.calibration_sha256) == len(lineage.settings_sha256) == 64


def test_the_three_formats_hold_the_same_cells(small, tmp_path):
    write_panel(small, tmp_path / "out")
    parquet = pd.read_parquet(tmp_path / "out" / "bonds.parquet")
    csv = pd.read_csv(tmp_path / "out" / "bonds.csv")
    jsonl = [msgspec.json.decode(line) for line in (tmp_path / "out" / "bonds.jsonl").read_bytes().splitlines()]
    assert len(parquet) == len(csv) == len(jsonl) == 400
    for column in COLUMNS:
        if column.kind == "float":
            lines = [row[column.name] for row in jsonl]
            assert parquet[column.name].equals(csv[column.name].astype(float))
            assert parquet[column.name].equals(pd.Series(lines, dtype=float, name=column.name))
        elif column.kind == "date":
            lines = [row[column.name] for row in jsonl]
            for table in (parquet, csv):
                assert [None if pd.isna(day) else str(day) for day in table[column.name]] == lines


def test_the_truth_is_in_a_separate_file(small, tmp_path):
    write_panel(small, tmp_path / "out")
    assert "s_opt" not in pq.read_schema(tmp_path / "out" / "bonds.parquet").names
    assert "s_opt" in pq.read_schema(tmp_path / "out" / "truth.parquet").names


def test_two_processes_write_the_same_bytes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from core.domains.bonds.data import *;"
        "write_panel(generate(PanelSettings(n_rows=600, seed=17)), Path(sys.argv[1]))"
    )
    for name, hash_seed in (("a", "1"), ("b", "4242")):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=True,
        )
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert len(first) == 6
    assert first == second


def test_a_folder_in_use_is_refused_and_untouched(small, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderInUseError, match="not empty"):
        write_panel(small, tmp_path)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_overwriting_replaces_the_whole_folder(small, tmp_path):
    write_panel(small, tmp_path / "out")
    lineage = write_panel(
        generate(PanelSettings(n_rows=20, seed=1)), tmp_path / "out", formats=("csv",), overwrite=True
    )
    assert set(contents(tmp_path / "out")) == {"bonds.csv", "truth.parquet", "lineage.json", "SYNTHETIC.txt"}
    assert read_lineage(tmp_path / "out") == lineage
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interrupted_write_leaves_nothing_behind(small, tmp_path, monkeypatch):
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.files.sync", full_disk)
    with pytest.raises(DiskFullError, match="no space"):
        write_panel(small, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("formats", [(), ("xml",)], ids=["none", "unknown"])
def test_formats_are_checked_before_anything_is_written(small, tmp_path, formats):
    with pytest.raises(UsageError, match="parquet, csv, jsonl"):
        write_panel(small, tmp_path / "out", formats=formats)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bonds.parquet", "truth.parquet"])
@pytest.mark.parametrize("damage", [lambda b: b[:-1] + b"x", lambda b: b""], ids=["one byte", "emptied"])
def test_a_changed_file_is_not_read(small, tmp_path, name, damage):
    write_panel(small, tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedPanelError, match=name):
        read_panel(tmp_path / "out")


def test_a_missing_file_is_named(small, tmp_path):
    write_panel(small, tmp_path / "out")
    (tmp_path / "out" / "truth.parquet").unlink()
    with pytest.raises(DamagedPanelError, match=r"truth\.parquet is missing"):
        read_panel(tmp_path / "out")


def test_a_folder_without_a_data_set_says_so(tmp_path):
    with pytest.raises(NotFoundError, match=r"lineage\.json"):
        read_panel(tmp_path)
    (tmp_path / "lineage.json").write_text("{not json")
    with pytest.raises(DamagedPanelError, match="cannot be read"):
        read_panel(tmp_path)
