"""Which rows are collected, and which of them are the newest."""

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.losses import Actual
from core.registry import Registry
from core.retraining.collecting import LEARN, NEWEST, collect, newest
from core.retraining.errors import NotPassedError
from core.retraining.served_rows import ServedRows, half_life_weights
from core.settings.retraining import DataWindow, RetrainingPolicy, RetrainingSource
from core.telemetry.features import LoggedFeatures
from tests.clocks import START
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, World


def collected(world: World, folder: Path, **rules: object) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    given = {"source": RetrainingSource(kind="files", path="new"), "min_samples": 100} | rules
    live = Registry(world.workspace).get(MODEL, "1.0.0")
    folder.mkdir(exist_ok=True)
    found = collect(world.workspace, live, RetrainingPolicy(**given), as_of=START, seed=1, folder=folder)
    return found, pd.read_parquet(folder / LEARN), pd.read_parquet(folder / NEWEST)


def test_the_newest_rows_are_the_last_ones():
    at = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    assert newest(at, pd.DataFrame(index=range(5)), None, 0.4).tolist() == [True, False, True, False, False]


def test_a_group_that_reaches_into_the_newest_rows_belongs_to_them():
    frame = pd.DataFrame({"desk": ["a", "b", "a", "c", "b"]})
    at = np.array([5.0, 1.0, 2.0, 3.0, 4.0])
    chosen = newest(at, frame, "desk", 0.6)
    assert chosen.tolist() == [True, True, True, False, True]
    assert newest(at, frame, "desk", 0.2).tolist() == [True, False, True, False, False]


def test_files_are_read_as_the_training_data_was_and_joined_in_order(world: World, tmp_path: Path):
    world.offer(*market.flats(150, seed=3, districts=("north", "south")), name="a.csv")
    world.offer(*market.flats(50, seed=4, districts=("west",)), name="b.csv")
    found, learn, held = collected(world, tmp_path / "job")
    assert (len(learn), len(held)) == (150, 50)
    assert set(held["district"]) == {"west"}
    assert set(learn) == {"area", "floor", "district", "rent"}
    assert found["n_files"] == 2
    assert any("no times" in note for note in found["notes"])
    again, *frames = collected(world, tmp_path / "again")
    assert again == found
    assert all(one.equals(other) for one, other in zip(frames, (learn, held), strict=True))


def test_the_window_takes_the_newest_rows(world: World, tmp_path: Path):
    world.offer(*market.flats(300, seed=3))
    _, learn, held = collected(world, tmp_path / "job", window=DataWindow(rows=120))
    assert len(learn) + len(held) == 120


def test_a_command_writes_the_rows(world: World, tmp_path: Path):
    file = market.write_csv(tmp_path / "source.csv", market.flats(200, seed=3))
    script = "import pandas, sys; pandas.read_csv(sys.argv[1]).to_parquet(sys.argv[2])"
    source = RetrainingSource(kind="command", command=(sys.executable, "-c", script, str(file), "{out}"))
    found, *_ = collected(world, tmp_path / "job", source=source)
    assert found["n_rows"] == 200


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/no/such/program", "{out}"), "cannot be started"),
        (("sh", "-c", "echo no rows >&2; exit 3", "{out}"), "exit code 3; it said 'no rows'"),
        (("true", "{out}"), "wrote no file"),
    ],
)
def test_a_command_that_fails_says_why(world: World, tmp_path: Path, command: tuple[str, ...], said: str):
    with pytest.raises(Exception, match=said.replace("(", "\\(")):
        collected(world, tmp_path / "job", source=RetrainingSource(kind="command", command=command))


def test_without_recorded_rows_the_setting_is_named(world: World, tmp_path: Path):
    with pytest.raises(NotPassedError, match=r"serving\.log_features\.share"):
        collected(world, tmp_path / "job", source=RetrainingSource())


def test_older_rows_are_kept_less_often():
    assert half_life_weights(np.array([0.0, 7.0, 14.0]), 7.0).tolist() == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(("share_of_low", "said"), [(1.0, False), (0.05, True)])
def test_outcomes_that_depend_on_the_answer_are_named_as_selection(share_of_low: float, said: bool):
    random = np.random.default_rng(1)
    answers = random.random(600).tolist()
    actual = [Actual(number=1.0) if answer > 0.5 or random.random() < share_of_low else None for answer in answers]
    times = [START + timedelta(seconds=row) for row in range(600)]
    logged = LoggedFeatures(times, ["1.0.0"] * 600, [str(row) for row in range(600)], {}, answers)
    assert ("selection" in ServedRows(logged, actual).selection()) is said


def test_a_version_that_was_not_trained_on_a_file_is_refused_at_once(world: World, tmp_path: Path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model.json").write_text("{}")
    live = world.registry.register(
        "elsewhere", tmp_path / "made", metrics={}, lineage={}, gates=(), actor=ANA, reason="made elsewhere"
    )
    with pytest.raises(NotPassedError, match="was not trained on a file"):
        collect(world.workspace, live, RetrainingPolicy(), as_of=START, seed=1, folder=tmp_path)
