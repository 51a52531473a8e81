"""Panels the tests learn from and are judged on: drawn once, small, and never changed in place."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from core.domains.bonds.data import BondPanel, PanelSettings, generate
from core.models.interface import Model

MACRO = 5


@lru_cache(maxsize=64)
def draw(seed: int, n_rows: int = 600) -> BondPanel:
    return generate(PanelSettings(n_rows=n_rows, seed=seed, macro_seed=MACRO))


@pytest.fixture(scope="session", name="draw")
def draw_fixture() -> Callable[..., BondPanel]:
    """Draw a panel of new issuers on the common macro path."""
    return draw


@pytest.fixture(scope="session")
def fresh() -> BondPanel:
    """Issuers that no test learns from."""
    return draw(9_001, 6_000)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Model], dict[str, bytes]]:
    """Save a model and return its files' bytes by name."""

    def save(model: Model) -> dict[str, bytes]:
        folder = tmp_path / f"{model.name}-{len(list(tmp_path.iterdir()))}"
        return {path.name: path.read_bytes() for path in model.save(folder)}

    return save
