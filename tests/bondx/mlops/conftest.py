"""A workspace of one's own for the Python face."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bondx.mlops import MLOpsConfig
from core.tracking import end_open_runs


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MLOpsConfig]:
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BONDX_ENV", raising=False)
    yield MLOpsConfig.from_yaml()
    end_open_runs()
