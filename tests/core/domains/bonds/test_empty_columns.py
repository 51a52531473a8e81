"""A user's bonds with a column that is empty throughout, such as the call dates of bonds that none calls."""

from pathlib import Path

import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.own_file import as_bonds
from core.tables import read_table

BONDS = generate(PanelSettings(n_rows=40, seed=1)).frame


@pytest.mark.parametrize("column", list(BONDS))
def test_an_empty_column_is_read_as_one_without_values(column: str, tmp_path: Path) -> None:
    file = tmp_path / "bonds.csv"
    BONDS.assign(**{column: None}).to_csv(file, index=False)

    assert as_bonds(read_table(file))[column].isna().all()
