"""Damaged files: one clear error, and a way back with what can still be read."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.telemetry import TelemetryDamagedError, TelemetryError, TelemetryReader, TelemetryWriter, check, recover

T0 = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "telemetry.db"
    with TelemetryWriter(path) as writer:
        for run in range(40):
            for epoch in range(50):
                writer.add_epoch(f"r-{run:04}", epoch, {"score": epoch / 50}, T0)
        writer.add("a", T0, 1.0)
    return path


def overwrite(path: Path, position: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(content)


DAMAGES = [
    pytest.param(lambda path: path.write_bytes(os.urandom(8192)), id="garbage"),
    pytest.param(lambda path: path.write_bytes(path.read_bytes()[:6000]), id="cut off"),
    pytest.param(lambda path: overwrite(path, 0, b"not SQLite at all"), id="its first bytes overwritten"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_gives_one_clear_error_and_the_way_back(path: Path, damage: Callable[[Path], None]):
    assert check(path) is None
    damage(path)
    assert "bondx doctor --restore" in (check(path) or "")
    for use in (lambda: TelemetryReader(path).epochs("r-0000"), lambda: TelemetryWriter(path)):
        with pytest.raises(TelemetryDamagedError, match="bondx doctor --restore") as error:
            use()
        assert str(path) in str(error.value)

    damaged = path.read_bytes()
    recovery = recover(path, now=T0)
    assert recovery.set_aside.read_bytes() == damaged
    assert check(path) is None
    with TelemetryWriter(path) as writer:
        writer.add_epoch("r-0000", 99, {"score": 1.0}, T0)
    assert TelemetryReader(path).epochs("r-0000")["score"][-1] == (99, 1.0)


def test_a_recovery_saves_what_lies_before_and_behind_the_damage(path: Path):
    size = path.stat().st_size
    overwrite(path, size // 2 // 4096 * 4096, os.urandom(4096))
    assert check(path) is not None
    recovery = recover(path, now=T0)
    reader = TelemetryReader(path)
    assert 500 < recovery.n_rows["epoch"] < 2000
    assert len(reader.epochs("r-0000")["score"]) == 50
    assert len(reader.epochs("r-0039")["score"]) == 50
    assert reader.latest("a") == (T0.timestamp(), 1.0)


def test_a_reader_continues_with_the_recovered_file(path: Path):
    reader = TelemetryReader(path)
    assert reader.latest("a") is not None
    recover(path, now=T0)
    assert reader.latest("a") is not None
    path.unlink()
    assert reader.latest("a") is None


def test_an_empty_file_is_an_unwritten_store(tmp_path: Path):
    path = tmp_path / "telemetry.db"
    path.touch()
    assert TelemetryReader(path).epochs("r") == {}
    with TelemetryWriter(path) as writer:
        writer.add("a", T0 + timedelta(seconds=1), 1.0)
    assert TelemetryReader(path).latest("a") is not None


def test_a_file_of_a_newer_program_is_refused(path: Path):
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(TelemetryError, match="newer version"):
        TelemetryWriter(path)
