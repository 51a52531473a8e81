"""`bondx runs metrics`: a whole history as rows, page by page."""

import csv
import functools
import io
import json

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.tracking import Runs, run_reader

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def answer(workspace, called):
    return functools.partial(called, main, "--workspace", str(workspace.root))


@pytest.fixture
def run_id(workspace, monkeypatch):
    monkeypatch.setattr(run_reader.RunReader.metric_page, "__kwdefaults__", {"after": None, "n_epochs": 7})
    with Runs(workspace) as runs:
        run = runs.start(name="long", actor=ANA)
        for step in range(40):
            runs.log_metrics(run.run_id, step, {"loss": step / 4} | ({"auc": 0.5} if step % 10 == 0 else {}))
    return run.run_id


def test_a_history_is_printed_as_csv_a_row_for_each_epoch(run_id, answer):
    code, out, _ = answer("runs", "metrics", run_id)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["epoch"] for row in rows] == [str(step) for step in range(40)]
    assert rows[10] == {"epoch": "10", "auc": "0.5", "loss": "2.5"}
    assert rows[11] == {"epoch": "11", "auc": "", "loss": "2.75"}


def test_a_part_of_a_history_is_printed_as_json(run_id, answer):
    _, out, _ = answer("runs", "metrics", run_id, "--after", "18", "--limit", "3", "--json")
    assert json.loads(out) == [
        {"epoch": 19, "loss": 4.75},
        {"epoch": 20, "auc": 0.5, "loss": 5.0},
        {"epoch": 21, "loss": 5.25},
    ]
    assert json.loads(answer("runs", "metrics", run_id, "--after", "99", "--json")[1]) == []


def test_an_unknown_run_is_refused(answer):
    code, _, err = answer("runs", "metrics", "r-0404")
    assert (code != 0, "r-0404" in err) == (True, True)
