"""`bondx labels` on recorded requests: outcomes of a few drawn requests decide how well a live version does."""

import functools
import json
import shutil
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.clock import utc_now
from core.governance.audit_log import AuditLog
from core.losses import AnswerForm, AnswerKind
from core.monitoring.labels.draws import LabelDraws
from core.monitoring.labels.watch import LabelsWatch
from core.settings.feature_log import FeatureLogSettings
from core.state import Workspace
from core.telemetry.features import FeatureBatch, FeatureWriter
from core.telemetry.live import LiveStates
from core.telemetry.predictions import OutcomeRecord, PredictionRecord, PredictionWriter

N = 400


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("requests")
    rng = np.random.default_rng(1)
    size = rng.normal(size=800)
    frame = pd.DataFrame({"size": size, "age": rng.normal(size=800), "price": 3 * size + rng.normal(0, 0.5, 800)})
    frame.to_csv(folder / "prices.csv", index=False)
    workspace = ["--workspace", str(folder / "ws")]
    assert main(["init", *workspace]) == 0
    assert (
        mlops(["train", *workspace, "--model", "pricing", "--data", str(folder / "prices.csv"), "--target", "price"])
        == 0
    )
    return folder / "ws"


class Desk:
    """A workspace whose version has answered requests; `truth` is what will come of each."""

    def __init__(self, root, called):
        self.workspace = Workspace.open(root)
        self.run = functools.partial(called, main, "labels")
        self.root = root
        rng = np.random.default_rng(2)
        self.size = rng.normal(size=N)
        self.answer = 3 * self.size
        self.truth = self.answer + rng.normal(0, 0.5, N)
        self.ids = [f"r{k}" if k % 2 == 0 else f"r{k - 1}/1" for k in range(N)]  # requests of two rows
        self.number = {name: k for k, name in enumerate(self.ids)}

    def labels(self, verb, *arguments):
        return self.run(verb, "pricing", "--workspace", self.root, *arguments)

    def found(self, verb, *arguments):
        code, out, err = self.labels(verb, *arguments, "--json")
        assert err == ""
        return code, json.loads(out)

    def record(self, *, sampled=True, columns=True):
        at = utc_now() - timedelta(hours=1)
        if sampled:
            cells = {"size": self.size.tolist(), "age": [0.0] * N} if columns else {}
            with FeatureWriter(self.workspace.features_file, FeatureLogSettings(share=1.0)) as log:
                batch = FeatureBatch(
                    "pricing", "1.0.0", (at.timestamp(),) * N, tuple(self.ids), cells, self.answer.tolist()
                )
                log.add(batch)
        form = AnswerForm(AnswerKind.NUMBER)
        with closing(PredictionWriter(self.workspace.predictions_file)) as writer:
            for name, value in zip(self.ids, self.answer, strict=True):
                writer.add(
                    PredictionRecord(name, at, "pricing", "1.0.0", latency_ms=1.0, value=float(value), form=form)
                )

    def report(self, names, *, dearer=0.0):
        with closing(PredictionWriter(self.workspace.predictions_file)) as writer:
            for name in names:
                writer.add_outcome(OutcomeRecord(name, utc_now(), actual=float(self.truth[self.number[name]] + dearer)))

    @property
    def draw(self):
        return LabelDraws(self.workspace).newest("pricing", "1.0.0")

    def look(self, now=None):
        """Let the engine's watcher look once, and keep its state as the engine does."""
        with closing(LiveStates(self.workspace.live_file)) as states:
            version = SimpleNamespace(workspace=self.workspace, model="pricing", version="1.0.0")
            state = states.load("pricing", "1.0.0", LabelsWatch.name)
            look = LabelsWatch().look(version, now or utc_now(), state)
            states.save([("pricing", "1.0.0", LabelsWatch.name, 0, look.state)])
        return look.part


@pytest.fixture
def desk(trained, tmp_path, called):
    return Desk(shutil.copytree(trained, tmp_path / "ws"), called)


def test_outcomes_of_wanted_requests_prove_a_changed_relation(desk):
    desk.record()
    code, wanted = desk.found("wanted", "--n", "60", "--reason", "prices look odd")
    assert (code, wanted["is_new"], wanted["n_rows"], wanted["loss"]) == (0, True, N, "absolute error")
    assert "its columns" in wanted["drawn_by"]
    assert {each["row"] for each in wanted["requests"]} == {0, 1}
    # that it holds takes thousands, since the held-out rows are few: their error counts, too
    assert wanted["labels"]["by_when"].endswith("draws would decide, more than one draw has (2,000)")
    (record,) = [each for each in AuditLog(desk.workspace).tail(5) if each.verb == "labels.draw"]
    assert (record.object, record.reason) == ("pricing@1.0.0/1", "prices look odd")

    names = [row.request for row in desk.draw.rows[:60]]
    desk.report(names[:30], dearer=3.0)
    desk.report(names[30:], dearer=3.0)
    code, judged = desk.found("judge")
    labels = judged["labels"]
    assert (code, labels["verdict"], labels["n_outcomes"]) == (1, "fell", 60)
    losses = np.abs(desk.truth + 3.0 - desk.answer)
    assert labels["low"] < losses.mean() < labels["high"]
    assert desk.labels("judge")[1].splitlines()[1].startswith("fell: absolute error ")


def test_the_same_question_names_the_same_requests_and_a_larger_one_begins_with_them(desk):
    desk.record()
    first, again = desk.found("wanted", "--n", "30")[1], desk.found("wanted", "--n", "30")[1]
    assert (again["is_new"], again["draw"]) == (False, first["draw"])
    assert again["requests"] == first["requests"]
    more = desk.found("wanted", "--n", "50")[1]
    assert more["requests"][:30] == first["requests"]
    assert desk.draw.n == 50
    verbs = [record.verb for record in AuditLog(desk.workspace).tail(5)]
    assert verbs[-2:] == ["labels.draw", "labels.more"]
    other = desk.found("wanted", "--n", "30", "--again")[1]
    assert (other["draw"], other["is_new"], other["requests"]) == ("pricing@1.0.0/2", True, first["requests"])


def test_answers_alone_are_drawn_by_strata(desk):
    desk.record(columns=False)
    assert "tenth of the answers" in desk.found("wanted")[1]["drawn_by"]


def test_given_ids_are_drawn_from_where_no_row_is_sampled(desk, tmp_path):
    desk.record(sampled=False)
    code, _, err = desk.labels("wanted")
    assert code == 2
    assert "serving.log_features.share" in err
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join([*desk.ids[:100], "unknown"]) + "\n")
    out = tmp_path / "wanted.csv"
    code, text, _ = desk.labels("wanted", "--requests", ids, "--out", out)
    assert code == 0
    assert "40 of 100 rows in" in text
    assert list(pd.read_csv(out)) == ["request_id", "row", "actual"]
    assert {desk.draw.rows[k].request for k in range(40)} <= set(desk.ids[:100])


def test_outcomes_that_the_engine_has_seen_count_after_their_predictions_expired(desk):
    desk.record()
    desk.labels("wanted", "--n", "40")
    names = [row.request for row in desk.draw.rows[:40]]
    desk.report(names[:25])
    before = desk.look()
    assert (before.n_outcomes, before.n_expired) == (25, 0)
    desk.workspace.predictions_file.unlink()
    after = desk.look()
    assert (after.value, after.n_draws, after.n_expired) == (before.value, before.n_draws, 15)
    assert any("expired" in note for note in after.notes)
    assert any("Draw again" in note for note in after.notes)
    assert desk.found("judge")[1]["labels"]["n_outcomes"] == 25


def test_an_engine_without_a_draw_shows_nothing_and_judging_says_what_to_do(desk):
    look = LabelsWatch().look(
        SimpleNamespace(workspace=desk.workspace, model="pricing", version="1.0.0"), utc_now(), None
    )
    assert look.part is None
    code, _, err = desk.labels("judge")
    assert code == 2
    assert "bondx labels wanted pricing" in err


@pytest.mark.parametrize(
    ("verb", "arguments", "expected"),
    [
        ("wanted", ("--n", "501"), "one draw has 1 to 500"),
        ("wanted", ("--data", "new.csv", "--again"), "--again is about recorded requests"),
        ("wanted", ("--requests", "no.txt"), "no.txt cannot be read"),
        ("judge", ("--data", "new.csv"), "--data needs --labels, too"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(desk, verb, arguments, expected):
    code, _, err = desk.labels(verb, *arguments)
    assert code == 2
    assert expected in err
