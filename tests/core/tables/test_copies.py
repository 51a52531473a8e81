"""Copies among groups are told where chance does not explain them, and nowhere else."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.settings import Settings
from core.state import Workspace
from core.tables import Table, TaskRequest, describe, read_table
from core.tables.copies import copied_rows
from core.training.own_data import TrainRequest, train_on_file
from tests.session_trained import ANA


def told(frame: pd.DataFrame, folder: Path, *, group: str | None) -> str:
    file = folder / "rows.csv"
    frame.to_csv(file, index=False)
    table: Table = read_table(file)
    return str(copied_rows(table.frame, describe(table, TaskRequest(target="y", group=group))) or "")


def noise(n: int, *, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)).round(6), columns=["a", "b", "c"])
    return frame.assign(y=rng.integers(0, 2, n), firm=[f"firm {code}" for code in rng.integers(0, 30, n)])


def copied(n: int) -> pd.DataFrame:
    rows = noise(n)
    return pd.concat([rows, rows.head(40).assign(firm=rows["firm"].head(40) + " again")])


@pytest.mark.parametrize("group", ["firm", None])
def test_rows_that_occur_again_are_told(tmp_path: Path, group: str | None) -> None:
    frame = copied(150) if group else copied(150).drop(columns="firm")
    of_another = "a row of another firm" if group else "another row"
    assert told(frame, tmp_path, group=group).startswith(f"80 of 190 rows equal {of_another} in every column")


def test_new_rows_copies_within_a_group_and_few_values_are_not(tmp_path: Path) -> None:
    assert told(noise(300), tmp_path, group="firm") == ""
    within = pd.concat([noise(150), noise(150)])
    assert told(within, tmp_path, group="firm") == ""
    rng = np.random.default_rng(3)
    few = pd.DataFrame(rng.integers(0, 4, size=(400, 3)), columns=["a", "b", "y"]).assign(firm=rng.integers(0, 9, 400))
    assert told(few, tmp_path, group="firm") == ""
    # One column alone may nearly name its row: a product that several firms sell at one price.
    product = rng.integers(0, 100, 400)
    firm = rng.integers(0, 9, 400)
    sold = pd.DataFrame({"product": product + 0.5, "size": product % 3, "y": product % 2, "firm": firm})
    assert told(sold, tmp_path, group="firm") == ""


def test_copies_of_whole_numbers_are_told_and_the_group_is_not_compared(tmp_path: Path) -> None:
    dice = np.random.default_rng(7)
    rows = pd.DataFrame(dice.integers(0, 100, (200, 8)), columns=list("abcdefgh")).assign(
        y=dice.normal(size=200).round(1)
    )
    again = pd.concat([rows] * 3, ignore_index=True)
    assert told(again, tmp_path, group=None).startswith("600 of 600 rows equal another row")
    again["firm"] = [f"firm {n // 20}" for n in range(600)]
    again.to_csv(tmp_path / "firms.csv", index=False)
    table = read_table(tmp_path / "firms.csv")
    among_inputs = msgspec.structs.replace(describe(table, TaskRequest(target="y")), group="firm")
    assert "firm" in among_inputs.names
    assert str(copied_rows(table.frame, among_inputs)).startswith("600 of 600 rows equal a row of another firm")


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_recur_by_their_nature_or_by_chance_are_not_copies(tmp_path: Path, seed: int) -> None:
    dice = np.random.default_rng(seed)
    idle = pd.DataFrame(dice.normal(size=(400, 6)), columns=list("abcdef")).assign(y=dice.normal(size=400))
    idle[dice.random(400) < 0.28] = 0
    tables = [
        idle,
        *(pd.DataFrame(dice.integers(0, k, (600, 5)), columns=list("abcdy")) for k in (3, 6, 10)),
        pd.DataFrame(dice.normal(size=(400, 3)).round(1), columns=["a", "b", "y"]),
    ]
    for table in tables:
        assert table.duplicated().any()
        assert told(table, tmp_path, group=None) == ""


def test_a_version_of_a_table_with_copies_says_so_in_its_gate(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    copied(150).to_csv(file, index=False)
    request = TrainRequest(model="odds", data=file, target="y", group="firm")
    made = train_on_file(workspace, request, Settings(), actor=ANA).version
    gate = next(gate for gate in made.gates if gate.name == "no_leak")
    assert (gate.verdict.value, gate.blocking) == ("warn", False)
    assert "80 of 190 rows equal a row of another firm" in gate.reason
