"""`bondx drift check`: a batch against the profile in a version."""

import functools
import json
import time

import numpy as np
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.monitoring.data_profile import PROFILE_NAME, DataProfile
from core.monitoring.live import ProfileIndex, SketchCounter, merged_bytes, profile_number, to_bytes
from core.monitoring.live.counting import Served
from core.registry import Registry
from core.serving.scoring.warming import warm_scorer
from core.state import Workspace
from core.telemetry.live import CountedMinute, LiveWriter
from core.training.version_profile import profile_of_version
from tests.prices import prices, train_on_prices


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Train a regression and a classification."""
    folder = tmp_path_factory.mktemp("drift")
    train_on_prices(folder)
    return folder


@pytest.fixture
def answer(called, home, tmp_path):
    def check(frame, *arguments, model="pricing"):
        file = tmp_path / "batch.csv"
        frame.to_csv(file, index=False)
        run = functools.partial(called, main, "drift", "check", "--workspace", str(home / "ws"))
        return run(model, "--data", file, *arguments)

    return check


def verdicts(out):
    return {words[0]: words[1] for line in out.splitlines() if len(words := line.split()) > 1}


def test_an_unmoved_batch_is_no_drift_and_needs_no_target(answer):
    code, out, err = answer(prices(2)[["size", "grade"]])
    assert (code, err) == (0, "")
    assert verdicts(out)["prediction"] in ("stable", "inconclusive")
    assert "not compared, for want of data: target, residual" in out
    assert "400 rows" in out


def test_a_moved_feature_is_named_with_its_importance_and_moves_the_predictions(answer):
    code, out, _ = answer(prices(3, shift=2.0))
    assert code == 1
    found = verdicts(out)
    assert found["size"] == found["prediction"] == found["target"] == "alarm"
    assert "of the model's importance" in out
    assert "predictions: mean" in out
    assert found["residual"] in ("stable", "inconclusive", "watch")


def test_a_changed_relation_shows_in_the_errors_alone(answer):
    code, out, _ = answer(prices(4, dearer=2.0))
    found = verdicts(out)
    assert (code, found["residual"]) == (1, "alarm")
    assert found["size"] in ("stable", "inconclusive")
    assert found["prediction"] in ("stable", "inconclusive")


def test_a_classification_has_its_calibration_in_the_profile(answer, home):
    folder = home / "ws" / "artifacts" / "sales" / "1.0.0"
    profile = DataProfile.from_bytes((folder / PROFILE_NAME).read_bytes(), "sales/1.0.0")
    assert PROFILE_NAME in (folder / "MANIFEST.json").read_text(), "hashed"
    assert sum(part.rows for part in profile.calibration) == profile.held_out == 600
    code, out, _ = answer(prices(5).drop(columns="price"), model="sales")
    assert code == 0
    assert "target" in verdicts(out)
    swapped = prices(6).assign(sold=lambda frame: np.where(frame["price"] > 0, "no", "yes"))
    code, out, _ = answer(swapped.drop(columns="price"), model="sales")
    assert (code, verdicts(out)["residual"]) == (1, "alarm")


def test_json_has_every_measure(answer):
    code, out, _ = answer(prices(7, shift=2.0), "--json")
    found = json.loads(out)
    assert (code, found["version"], found["report"]["verdict"]) == (1, "1.0.0", "alarm")
    (size,) = [one for one in found["report"]["columns"] if one["found"]["feature"] == "size"]
    measures = ("psi", "ks_statistic", "chi_square", "wasserstein", "jensen_shannon")
    assert all(size["found"][measure] > 0.2 for measure in measures)
    assert {alert["type"] for alert in found["report"]["alerts"]} >= {"feature", "prediction", "target"}


def test_a_batch_of_poor_quality_is_judged_as_far_as_it_goes(answer):
    frame = prices(8).astype({"size": object})
    frame.loc[:60, "size"] = "n/k"
    frame.loc[:60, "grade"] = "Z"
    code, out, _ = answer(frame)
    assert code == 1
    assert "size: unreadable: 15.25% of the cells hold no number" in out
    assert "grade: 15.2% of the rows have levels never seen" in out
    code, out, _ = answer(prices(8).drop(columns="grade"))
    assert code == 1
    assert "grade: the column is missing" in out
    assert "note: the rows cannot be answered without grade" in out
    code, out, _ = answer(prices(8)[["price"]].rename(columns={"price": "x"}))
    assert (code, "note: the rows cannot be answered without " in out) == (1, True)


def test_what_cannot_be_checked_has_exit_code_2(answer, home, tmp_path, called):
    code, _, err = answer(prices(9), model="princing")
    assert code == 2
    assert "princing" in err
    code, _, err = answer(prices(9), "--version", "7.0.0")
    assert (code, "7.0.0" in err) == (2, True)
    code, _, err = answer(prices(9).iloc[:0])
    assert code == 2
    (tmp_path / "model.json").write_text("{}")
    place = ["--workspace", str(home / "ws")]
    assert mlops(["register", *place, "--model", "elsewhere", "--path", str(tmp_path / "model.json")]) == 0
    code, _, err = answer(prices(9), model="elsewhere")
    assert code == 2, err


def test_a_profile_that_was_changed_is_refused(answer, home):
    path = home / "ws" / "artifacts" / "sales" / "1.0.0" / PROFILE_NAME
    whole = path.read_bytes()
    path.chmod(0o600)
    try:
        path.write_bytes(whole.replace(b'"rows":600', b'"rows":601', 1))
        code, _, err = answer(prices(5).drop(columns="price"), model="sales")
        assert code != 0
        assert PROFILE_NAME in err
    finally:
        path.write_bytes(whole)


@pytest.fixture
def serve(home):
    """Count rows as a server does that answered them ten minutes ago."""

    def served(frame, *, n_dropped=0):
        workspace = Workspace.open(home / "ws")
        profile = profile_of_version(Registry(workspace), "pricing", "1.0.0")
        with Registry(workspace).opened("pricing", "1.0.0") as folder:
            scorer = warm_scorer(folder)
        columns = {field.name: frame[field.name].tolist() for field in scorer.signature.fields}
        rows = scorer.signature.convert_columns(columns)
        counter = SketchCounter(
            ProfileIndex(profile),
            numbers=[field.name for field in scorer.signature.numbers],
            texts=[field.name for field in scorer.signature.texts],
        )
        sketch = counter.count([Served(rows, scorer.answer(rows).tolist())])
        at = int(time.time()) // 60 * 60 - 600
        with LiveWriter(workspace.live_file, merged_bytes) as writer:
            writer.add(
                CountedMinute("pricing", "1.0.0", profile_number(profile), at, len(frame), n_dropped, to_bytes(sketch))
            )

    yield served
    (home / "ws" / "telemetry" / "live.db").unlink(missing_ok=True)


@pytest.fixture
def live(called, home):
    return functools.partial(called, main, "drift", "check", "--workspace", str(home / "ws"), "pricing", "--live")


def test_served_rows_are_checked_without_a_file(serve, live):
    serve(prices(2))
    code, out, err = live()
    assert (code, err) == (0, "")
    assert verdicts(out)["prediction"] in ("stable", "inconclusive")
    assert "400 rows served since 20" in out
    assert "`bondx drift status` shows the sequential verdict" in out


def test_served_rows_that_moved_are_an_alarm_with_the_rows_that_are_lacking(serve, live):
    serve(prices(3, shift=2.0), n_dropped=7)
    code, out, _ = live("--since", "30m", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["report"]["alerts"][0]["column"] in ("size", "prediction")
    assert (found["n_dropped"], found["report"]["n_current"]) == (7, 400)
    assert any(note.startswith("7 more rows were answered and are not counted") for note in found["report"]["notes"])
    assert ": 400 of 407 rows served since 20" in live("--since", "30m")[1]


def test_no_served_rows_are_an_error_that_names_the_time(serve, live):
    code, _, err = live()
    assert code == 2
    assert "No row of pricing 1.0.0 was counted since" in err
    serve(prices(2))
    assert live("--since", "5m")[0] == 2


def test_since_goes_with_live_alone(answer):
    code, _, err = answer(prices(2), "--since", "5m")
    assert code == 2
    assert "--since goes with --live" in err
