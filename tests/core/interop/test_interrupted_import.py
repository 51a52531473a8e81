"""Ctrl-C during an import from MLflow; MLflow itself is not needed."""

from types import SimpleNamespace

import pytest

from core.actor import Actor, Origin
from core.interop.mlflow_arrivals import Arrivals
from core.state import Workspace
from core.tracking import Runs

METRICS = {"loss": 0.1, "auc": 0.9}


class Client:
    """MLflow's client; Ctrl-C comes with the history of the second metric, unless it is told to answer."""

    answers = False

    def get_metric_history(self, _run_id: str, name: str) -> list[SimpleNamespace]:
        if name == "auc" and not self.answers:
            raise KeyboardInterrupt
        return [SimpleNamespace(step=step, value=METRICS[name], timestamp=step) for step in range(3)]


def test_an_interrupted_import_leaves_no_run_that_would_count_as_imported(workspace: Workspace) -> None:
    info = {"run_id": "theirs", "run_name": "a run", "status": "FINISHED", "lifecycle_stage": "active"}
    theirs = SimpleNamespace(
        info=SimpleNamespace(**info, start_time=1_000, end_time=2_000),
        data=SimpleNamespace(tags={}, params={"depth": "3"}, metrics=METRICS),
    )
    client = Client()
    with Runs(workspace) as runs:
        arrivals = Arrivals(runs, client, Actor.current(Origin.COMMAND_LINE))
        with pytest.raises(KeyboardInterrupt):
            arrivals.take(theirs)
        assert (runs.all(), arrivals.known("theirs")) == ([], None)
        client.answers = True
        assert arrivals.take(theirs).tags["mlflow.run_id"] == "theirs"
        assert len(runs.all()) == 1
