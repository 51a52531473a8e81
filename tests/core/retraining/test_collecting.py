"""Which rows are collected, and which of them are the newest."""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import UsageError
from core.losses import Actual
from core.registry import Registry
from core.retraining.collecting import OPEN_END, _of_candidates, collect, newest
from core.retraining.errors import NotPassedError
from core.retraining.files import columns_of, n_rows_of
from core.retraining.results import LEARN, NEWEST
from core.retraining.served_rows import ServedRows, half_life_weights, selection_chances
from core.settings import settings_in_force
from core.settings.retraining import DataWindow, RetrainingPolicy, RetrainingSource
from core.settings.sealing import content_sha256
from core.tables import read_table
from core.telemetry.features import LoggedFeatures
from core.training.own_data import TrainRequest, train_on_file
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


def test_collected_rows_are_sealed_where_the_settings_say_so_and_the_steps_read_them(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    world.offer(*market.flats(150, seed=3), name="a.csv")
    _, learn, held = collected(world, tmp_path / "plain")
    monkeypatch.setenv("SEAL_KEY", "the key of these tests")
    settings = world.workspace.settings_file
    settings.write_text(settings.read_text() + "encryption: {apply_to: [datasets], key_env: SEAL_KEY}\n")
    folder = world.workspace.datasets_dir / "retraining" / "rt-0001"
    folder.mkdir(parents=True)
    with pytest.raises(ValueError, match="magic bytes"):  # what any other program finds
        collected(world, folder)
    assert columns_of(folder / LEARN) == list(learn)
    assert n_rows_of(folder / NEWEST) == len(held)
    for name in (LEARN, NEWEST):
        assert content_sha256(folder / name) == content_sha256(tmp_path / "plain" / name)
        assert read_table(folder / name).source.sha256 == content_sha256(folder / name)


def test_a_file_whose_last_row_may_be_cut_off_is_named(world: World, tmp_path: Path):
    world.offer(*market.flats(150, seed=3), name="a.csv")
    cut = world.offer(*market.flats(150, seed=4), name="b.csv")
    cut.write_bytes(cut.read_bytes().rstrip()[:-1])
    found, *_ = collected(world, tmp_path / "job")
    assert [note for note in found["notes"] if "line break" in note] == [OPEN_END.format("'b.csv'")]


def test_without_a_recorded_group_each_row_counts_by_itself(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "first.csv"
    frame = pd.DataFrame([{**flat.row, "rent": flat.rent} for flat in market.flats(400, seed=1)])
    frame.assign(street=[f"street {row % 40}" for row in range(400)]).to_csv(file, index=False)
    settings = settings_in_force(world.workspace.root)
    request = TrainRequest("grouped", file, target="rent", group="street")
    live = train_on_file(world.workspace, request, settings, actor=ANA).version
    flats = market.flats(200, seed=2)
    times = [START - timedelta(minutes=row) for row in range(200, 0, -1)]
    columns = {name: [flat.row[name] for flat in flats] for name in flats[0].row}
    logged = LoggedFeatures(times, ["1.0.0"] * 200, list(map(str, range(200))), columns, [0.0] * 200)
    served = ServedRows(logged, [Actual(number=flat.rent) for flat in flats])
    monkeypatch.setattr("core.retraining.collecting.served_rows", lambda *_, **__: served)
    rules = RetrainingPolicy(source=RetrainingSource(), min_samples=100)
    found = collect(world.workspace, live, rules, as_of=START, seed=1, folder=tmp_path)
    assert "street was not recorded, so each row counts by itself" in found["notes"]


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


def answered(answers: list[float], share_of_low: float, versions: list[str]) -> ServedRows:
    random = np.random.default_rng(2)
    actual = [Actual(number=each) if each > 0.5 or random.random() < share_of_low else None for each in answers]
    n = len(answers)
    times = [START + timedelta(seconds=row) for row in range(n)]
    return ServedRows(LoggedFeatures(times, versions, [str(row) for row in range(n)], {}, answers), actual)


@pytest.mark.parametrize("share_of_low", [1.0, 0.2])
def test_known_shares_of_outcomes_make_all_answers_count_alike(share_of_low: float):
    random = np.random.default_rng(1)
    answers = random.random(20_000).tolist()
    rows = answered(answers, share_of_low, ["1.0.0"] * 20_000)
    seen = np.array(answers)[rows.labelled]
    chance = selection_chances(rows.answer_bands())[rows.labelled]
    kept = seen[random.random(len(seen)) < chance]
    assert abs(kept.mean() - np.mean(answers)) < 0.02
    assert abs(seen.mean() - np.mean(answers)) > 0.1 or share_of_low == 1.0
    assert len(kept) > 0.9 * min(len(seen), share_of_low * 20_000)


def test_answers_without_any_outcome_are_not_made_up_for():
    rows = answered(np.random.default_rng(1).random(2_000).tolist(), 0.0, ["1.0.0"] * 2_000)
    bands = rows.answer_bands()
    assert [band.share for band in bands][:4] == [0.0] * 4
    assert set(selection_chances(bands)[rows.labelled]) <= {1.0} | {
        min(b.share for b in bands if b.share) / b.share for b in bands if b.share
    }
    few = answered([0.1, 0.9], 1.0, ["1.0.0"] * 2)
    assert len(few.answer_bands()) == 1


def test_outcomes_after_answers_of_a_version_that_was_never_live_are_named(world: World):
    live = world.registry.get(MODEL, "1.0.0")
    rows = answered([0.9] * 5, 1.0, ["1.0.0", "1.0.0", "1.1.0", "1.1.0", "1.1.0"])
    said = _of_candidates(world.workspace, live, rows)
    assert said == "selection: 3 outcomes came after answers of 1.1.0, which was never live"
    assert _of_candidates(world.workspace, live, answered([0.9], 1.0, ["1.0.0"])) == ""
    both = _of_candidates(world.workspace, live, answered([0.9] * 3, 1.0, ["1.10.0", "1.9.0", "1.0.0"]))
    assert both == "selection: 2 outcomes came after answers of 1.9.0, 1.10.0, which were never live"


def test_selection_is_corrected_of_served_rows_alone():
    with pytest.raises(ValueError, match="only served rows have them"):
        RetrainingPolicy(source=RetrainingSource(kind="files", path="new"), window=DataWindow(correct_selection=True))


def test_a_version_that_was_not_trained_on_a_file_is_refused_at_once(world: World, tmp_path: Path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "model.json").write_text("{}")
    live = world.registry.register(
        "elsewhere", tmp_path / "made", metrics={}, lineage={}, gates=(), actor=ANA, reason="made elsewhere"
    )
    with pytest.raises(NotPassedError, match="was not trained on a file"):
        collect(world.workspace, live, RetrainingPolicy(), as_of=START, seed=1, folder=tmp_path)


def test_rows_without_a_time_are_left_out_and_do_not_undo_the_window(world: World, tmp_path: Path):
    first = tmp_path / "first.csv"
    frame = pd.DataFrame([{**flat.row, "rent": flat.rent} for flat in market.flats(400, seed=1)])
    frame["day"] = pd.date_range(START - timedelta(days=400), periods=400, freq="D").strftime("%Y-%m-%d")
    frame.to_csv(first, index=False)
    settings = settings_in_force(world.workspace.root)
    request = TrainRequest("dated", first, target="rent", time="day")
    live = train_on_file(world.workspace, request, settings, actor=ANA).version
    frame["day"] = pd.date_range(START - timedelta(days=399), periods=400, freq="D").strftime("%Y-%m-%d")
    frame.loc[[3, 398], "day"] = ""
    (world.workspace.root / "new").mkdir()
    frame.to_csv(world.workspace.root / "new" / "rows.csv", index=False)
    rules = RetrainingPolicy(
        source=RetrainingSource(kind="files", path="new"), min_samples=50, window=DataWindow(days=100.0)
    )
    found = collect(world.workspace, live, rules, as_of=START, seed=1, folder=tmp_path)
    assert found["n_rows"] == 99
    assert found["notes"] == ["2 rows have no 'day' and were left out"]
    newest_learned = pd.read_parquet(tmp_path / LEARN)["day"].max()
    assert found["learned_until"] == pd.Timestamp(newest_learned, tz="UTC").isoformat()


def test_a_process_that_a_command_leaves_behind_is_not_waited_for(world: World, tmp_path: Path):
    script = tmp_path / "leaves.py"
    pid_file = tmp_path / "pid"
    script.write_text(
        "import os, signal, sys\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    os.setsid()\n    signal.pause()\n"
        f"open({str(pid_file)!r}, 'w').write(str(pid))\n"
        "sys.exit('no rows today')\n"
    )
    source = RetrainingSource(kind="command", command=(sys.executable, str(script), "{out}"))
    try:
        with pytest.raises(UsageError, match="no rows today"):
            collected(world, tmp_path / "made", source=source)
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
