"""A workspace of one's own for the Python face."""

from pathlib import Path

import pytest

from bondx.mlops import MLOpsConfig


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MLOpsConfig:
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BONDX_ENV", raising=False)
    return MLOpsConfig.from_yaml()
