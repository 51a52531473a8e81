"""Files as people have them: each trains on what it holds, or is refused with the line and the cure."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.actor import Actor, Origin
from core.settings import ModelSettings, Settings
from core.tables import ReadingRules, TableError, TableSignature
from core.tracking import Runs
from core.training.own_data import TrainRequest, evaluate_on_file, train_on_file

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
FAST = Settings(models={"own": ModelSettings(algorithm="linear")})
N = 400
RNG = np.random.default_rng(42)
X = RNG.normal(size=N).round(4)
C = RNG.choice(["a", "b", "c"], N)
Y = (2 * X + (C == "a") * 0.5 + RNG.normal(0, 0.15, N)).round(4)


def plain(k: int) -> str:
    return f"{X[k]},{C[k]},{Y[k]}"


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def text(header: str, row) -> str:
    return "\n".join([header, *(row(k) for k in range(N))]) + "\n"


def day(k: int, form: str) -> str:
    return (np.datetime64("2020-01-01") + k).astype(object).strftime(form)


@pytest.fixture
def put(tmp_path):
    def write(content: str | bytes, name: str = "data.csv") -> Path:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


@pytest.fixture
def train(workspace):
    def run(path, target="y", **wishes):
        return train_on_file(workspace, TrainRequest("own", path, target=target, **wishes), FAST, actor=ANA)

    return run


SPELLINGS = {
    "thousands": (text("x,c,y", lambda k: f'"{X[k] * 10_000:,.2f}",{C[k]},{Y[k]}'), "commas between thousands"),
    "decimal commas": (
        text("x;c;y", lambda k: f"{german(X[k] * 10_000)};{C[k]};{str(Y[k]).replace('.', ',')}"),
        "points between thousands",
    ),
    "percent": (text("x,c,y", lambda k: f"{X[k]}%,{C[k]},{Y[k]}"), "the unit %"),
    "dollars": (text("x,c,y", lambda k: f'"${X[k] * 1000:,.2f}",{C[k]},{Y[k]}'.replace("$-", "-$")), "the unit $"),
    "accounting": (
        text("x,c,y", lambda k: f'"{f"({-X[k] * 1e4:,.2f})" if X[k] < 0 else f"{X[k] * 1e4:,.2f}"}",{C[k]},{Y[k]}'),
        "commas between thousands",
    ),
    "apostrophes": (
        text("x,c,y", lambda k: f"{X[k] * 10_000:,.2f}".replace(",", "'") + f",{C[k]},{Y[k]}"),
        "apostrophes",
    ),
    "hard blanks": (
        text("x,c,y", lambda k: f"{X[k] * 10_000:,.2f}".replace(",", "\u00a0") + f",{C[k]},{Y[k]}"),
        "blanks between thousands",
    ),
    "day first": (text("x,c,y,date", lambda k: f"{plain(k)},{day(k, '%d/%m/%Y')}"), "the day before the month"),
    "month first": (text("x,c,y,date", lambda k: f"{plain(k)},{day(k, '%m/%d/%Y')}"), "the month before the day"),
    "an index": (text(",x,c,y", lambda k: f"{k},{plain(k)}"), "has no name and numbers the rows"),
    "a comment": ("# exported 2026\n" + text("x,c,y", plain), "line 1 is a comment"),
    "blanks": (text("x, c, y", lambda k: f"{X[k]}, {C[k]}, {Y[k]}"), "' c', ' y'"),
    "an id": (text("x,c,y,Id", lambda k: f"{plain(k)},{k + 1}"), "Id is not used: it numbers the rows"),
    "trailing commas": (text("x,c,y,", lambda k: f"{plain(k)},"), "neither a name nor a value"),
    "a saved index": (text("Unnamed: 0,x,c,y", lambda k: f"{k},{plain(k)}"), "numbers the rows"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_costs_nothing_and_is_told_to_the_person_and_in_the_run(spelling, put, train, workspace):
    content, note = SPELLINGS[spelling]
    trained = train(put(content))

    assert trained.version.metrics["r2"] >= 0.97
    assert note in " ".join(trained.notes)
    assert note in Runs(workspace).get(trained.run.run_id).tags["notes"]
    assert note in " ".join(json.loads(json.dumps(trained.report))["notes"])
    again = evaluate_on_file(workspace, "own", put(content, "later.csv"))
    assert again.metrics["r2"] >= 0.97
    assert not again.notes.missing


def test_dashes_are_missing_cells_and_the_other_rows_are_learned(put, train, workspace):
    is_gap = np.arange(N) % 5 == 3
    trained = train(put(text("x,c,y", lambda k: f"{'-' if is_gap[k] else X[k]},{C[k]},{Y[k]}")))

    assert "x: 80 cells are read as missing: '-' (80)." in trained.notes
    full = put(text("x,c,y", plain), "full.csv")
    assert evaluate_on_file(workspace, "own", full).metrics["r2"] >= 0.97


def test_a_declared_word_is_a_missing_cell_then_and_later(put, train, workspace):
    content = text("x,c,y", lambda k: f"{'nix' if k % 5 == 3 else X[k]},{C[k]},{Y[k]}")
    left_out = train(put(content))
    assert "--na nix" in " ".join(left_out.notes)

    trained = train(put(content), rules=ReadingRules(missing=("nix",)))
    folder = workspace.artifacts_dir / trained.version.path

    assert trained.report["features"] == ["x", "c"]
    assert Runs(workspace).get(trained.run.run_id).parameters["na"] == "nix"
    assert TableSignature.read(folder).missing_words == ("nix",)
    assert evaluate_on_file(workspace, "own", put(content, "later.csv")).metrics["r2"] > 0.7


def test_decimals_gaps_and_levels_that_are_new_are_counted_and_never_refused(put, train, workspace):
    train(put(text("a,c,y", lambda k: f"{k * 7 % 50},{C[k]},{k * 7 % 50 + Y[k]}")))
    later = put(text("a,c,y", lambda k: f"{'' if k == 5 else k * 7 % 50 + 0.5},{'new' if k == 9 else C[k]},{k % 50}"))

    found = evaluate_on_file(workspace, "own", later)

    assert found.notes.decimals == {"a": N - 1}
    assert found.notes.missing == {"a": 1}
    assert found.notes.unseen_levels == {"c": 1}
    assert np.isfinite(found.metrics["r2"])


@pytest.mark.parametrize(
    ("row", "time", "line"),
    [
        pytest.param(lambda k: f"{plain(k)},{day(k, '%Y/%m/%d' if k == 5 else '%Y-%m-%d')}", None, None, id="mixed"),
        pytest.param(lambda k: f"{plain(k)},{'soon' if k == 150 else day(k, '%Y-%m-%d')}", "soon", 152, id="a word"),
        pytest.param(lambda k: f"{plain(k)},{'2020-02-30' if k == 5 else day(k, '%Y-%m-%d')}", "02-30", 7, id="no day"),
        pytest.param(
            lambda k: f"{plain(k)},{'31/12/20' if k == 9 else day(k, '%d/%m/%Y')}", "31/12/20", 11, id="short"
        ),
    ],
)
def test_an_invalid_time_is_named_with_its_own_line(row, time, line, put, train):
    path = put(text("x,c,y,date", row))
    if time is None:
        assert train(path, time="date").report["split"]["method"] == "the latest rows"
        return
    with pytest.raises(TableError, match=f"line {line}, column 'date': .*{time}"):
        train(path, time="date")


def test_rows_without_a_target_are_left_out_on_request(put, train, workspace):
    path = put(text("x,c,y", lambda k: f"{X[k]},{C[k]},{'' if k in (3, 8) else Y[k]}"))
    with pytest.raises(TableError, match=r"line 5, column 'y': it is empty here \(and 1 more\).*--drop-missing-target"):
        train(path)

    trained = train(path, drop_missing_target=True)

    assert "2 of 400 rows are left out: they have no y." in trained.notes
    assert trained.report["split"]["n_tested"] == N - 2
    with pytest.raises(TableError, match=r"line 5, column 'y'.*--drop-missing-target"):
        evaluate_on_file(workspace, "own", path)
    found = evaluate_on_file(workspace, "own", path, drop_missing_target=True)
    assert (found.n_rows, found.n_without_target) == (N - 2, 2)


def test_lines_stay_true_after_rows_were_left_out(put, train):
    path = put(
        text("x,c,y,day", lambda k: f"{X[k]},{C[k]},{'' if k < 9 else Y[k]},{'soon' if k == 99 else '2020-01-01'}")
    )

    with pytest.raises(TableError, match="line 101, column 'day': 'soon'"):
        train(path, time="day", drop_missing_target=True)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        pytest.param('{"x": "0.5", "y": 1.5}', ["line 3", "'x'", "'0.5' is text", "without quotes"], id="quoted"),
        pytest.param('{"x": NaN, "y": 1.5}', ["line 3", "'x'", "NaN", "Write null"], id="NaN"),
        pytest.param('{"x": Infinity, "y": 1}', ["line 3", "'x'", "Infinity", "null"], id="infinity"),
    ],
)
def test_json_lines_say_what_to_write_for_a_missing_value(line, parts, put, train):
    rows = [json.dumps({"x": float(X[k]), "y": float(Y[k])}) for k in range(N)]
    rows[2] = line
    with pytest.raises(TableError) as caught:
        train(put("\n".join(rows), "data.jsonl"))

    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("values", "task", "other"),
    [
        pytest.param(lambda k: int(X[k] > 0) + int(X[k] > 1), "classification", "--task regression", id="0, 1, 2"),
        pytest.param(lambda k: round(100 * X[k]), None, None, id="many"),
        pytest.param(lambda k: 3 + round(X[k]), "regression", "--task classification", id="few, not coded"),
    ],
)
def test_the_task_of_whole_numbers_is_told_with_the_way_to_the_other(values, task, other, put, train):
    trained = train(put(text("x,c,y", lambda k: f"{X[k]},{C[k]},{values(k)}")))

    assert trained.report["task"] == (task or "regression")
    told = [note for note in trained.notes if "whole numbers" in note]
    assert (other in told[0]) if other else not told
