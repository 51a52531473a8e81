"""What is in `deploy/` works as it is: real tools accept it, and every query returns data from a real Prometheus."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import promql_parser
import pytest
import yaml

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine import Engine
from core.metrics.catalogue import CATALOGUE
from core.rollout import Strategy
from core.serving.access import Role, Tokens
from core.settings import TrainingSettings
from core.training.criteria import criteria
from core.training.scores import EpochScore, EpochScores
from core.training.sessions import Sessions
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until
from tools import dashboards
from tools.demo import make_demo

DEPLOY = Path(__file__).parents[3] / "deploy"
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
QUERIES = [*dashboards.queries()]
NAME = re.compile(r"\bbondx_[a-z0-9_]+")
UNFAMILIAR = 'topk(10, sum by (model, field) (rate(bondx_predict_unfamiliar_values_total{model=~".*"}[1m])))'
MAY_BE_EMPTY = {
    "bondx_machine_disk_full_days": "the engine forecasts only after half an hour of observation",
    UNFAMILIAR: "the models of bonds refuse such values; test_table_models.py has models that answer and count them",
}

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="Prometheus is not installed here: apt-get install --no-install-recommends prometheus",
)
needs_amtool = pytest.mark.skipif(
    shutil.which("amtool") is None,
    reason="amtool is not installed here: apt-get install --no-install-recommends prometheus-alertmanager",
)


def names_of_catalogue():
    for spec in CATALOGUE:
        yield from spec.stored_names


@pytest.mark.parametrize("dashboard", dashboards.DASHBOARDS, ids=lambda each: each.name)
def test_the_file_of_a_dashboard_is_what_its_panels_are(dashboard):
    file = dashboards.FOLDER / f"{dashboard.name}.json"

    assert file.read_text() == dashboards.spelled(dashboard), "python -m tools.dashboards writes it again"


def test_there_is_no_other_dashboard_and_no_name_twice():
    files = {file.stem for file in dashboards.FOLDER.glob("*")}
    assert files == {dashboard.name for dashboard in dashboards.DASHBOARDS}
    for dashboard in dashboards.DASHBOARDS:
        titles = [panel.title for panel in dashboard.panels]
        assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(("dashboard", "panel", "expr"), QUERIES)
def test_every_query_is_read_and_names_only_metrics_of_the_catalogue(dashboard, panel, expr):
    promql_parser.parse(expr)
    named = set(NAME.findall(expr))
    assert named
    assert named <= {*names_of_catalogue()}


def test_every_legend_names_labels_of_its_metrics():
    labels = {label for spec in CATALOGUE for label in spec.labels} | {"instance"}
    for dashboard in dashboards.DASHBOARDS:
        for panel in dashboard.panels:
            for query in panel.queries:
                assert set(re.findall(r"{{(\w+)}}", query.legend)) <= labels, (dashboard.name, panel.title)


@needs_amtool
def test_amtool_takes_the_routing():
    file = DEPLOY / "alertmanager" / "alertmanager.yaml"
    checked = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    def receiver_of(*labels):
        asked = ["amtool", "config", "routes", "test", "--config.file", file, *labels]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()

    assert receiver_of("alertname=gate_failed", "severity=critical") == "on-call"
    assert receiver_of("alertname=drift_found", "severity=warning") == "desk"
    assert receiver_of("alertname=x", "severity=info") == "nobody"


def test_grafana_is_told_where_to_find_prometheus_and_the_dashboards():
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "bondx.yaml").read_text())["providers"]

    assert (source["type"], provider["type"]) == ("prometheus", "file")


def test_what_may_be_empty_is_a_query():
    assert set(MAY_BE_EMPTY) <= {expr for _, _, expr in QUERIES}


@pytest.fixture
def configured(tmp_path):
    """Return a function that writes the shipped configuration with our addresses and short waits, and checks it."""

    def write(ports, viewer, operator):
        text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        assert text.count("127.0.0.1:8501") == 2
        assert text.count(": 15s") == 2
        first, *_ = ports
        scraped = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        alerting, mark, scraping = text.partition("scrape_configs:")
        text = alerting.replace("127.0.0.1:8501", f"127.0.0.1:{first}") + mark
        text += scraping.replace('"127.0.0.1:8501"', scraped)
        folder = tmp_path / "prometheus"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(text.replace(": 15s", ": 500ms"))
        (folder / "bondx.token").write_text(viewer)
        (folder / "bondx-alerts.token").write_text(operator)
        for rules in (DEPLOY / "prometheus").glob("*.rules.yaml"):
            shutil.copy(rules, folder)
        checked = subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=folder, capture_output=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        return folder

    return write


def secret_for(workspace, role):
    return Tokens(workspace).create(str(role), role, actor=ANA)[1]


@needs_prometheus
def test_every_query_returns_data_from_a_prometheus_that_scraped_an_engine_and_servers(
    workspace, staged, rolling, running, rows_of, configured, tmp_path
):
    """One workspace has a real engine, a rollout and traffic; training and monitoring are in the demo workspace."""
    rolling(Strategy.CANARY)
    demo = make_demo(tmp_path / "demo", now=utc_now())
    at_work = next(each for each in Sessions(demo).all() if not each.observed.phase.is_at_rest)
    history = EpochScores([EpochScore(0.8, 1.0), EpochScore(0.9, 1.0)])
    more = {"criteria": criteria(history, TrainingSettings()), "epoch_seconds": 40.0}
    Sessions(demo).observe(at_work.session_id, "epoch.complete", actor=Actor.engine(), **more)
    with ExitStack() as held:
        engine = Engine(workspace, mode="headless", actor=ANA)
        engine.start()
        held.callback(engine.stop)
        server = held.enter_context(running(workspace))
        of_demo = held.enter_context(running(demo))
        # Both servers are asked with one file of a token, so that neither may require one: they listen on this machine.
        folder = configured((server.port, of_demo.port), "none", secret_for(workspace, Role.OPERATOR))
        configuration = folder / "prometheus.yml"
        configuration.write_text(
            configuration.read_text().replace("    authorization: {credentials_file: bondx.token}\n", "")
        )
        port = free_port()
        log = folder / "log"
        options = ("--config.file=prometheus.yml", "--storage.tsdb.path=series")
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"],
                cwd=folder,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        held.callback(process.wait, PATIENCE_SECONDS)
        held.callback(process.kill)

        def n_series(expr):
            url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expr})}"
            try:
                with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
                    return len(json.load(answer)["data"]["result"])
            except OSError:
                assert process.poll() is None, log.read_text()
                return 0

        rows = rows_of("spread", 3)
        waiting = {expr for _, _, expr in QUERIES}

        def answered():
            server.ask("/api/v1/predict/spread", {"rows": rows})
            server.ask("/api/v1/predict/spread", {"rows": "none"})
            waiting.difference_update([expr for expr in waiting if n_series(expr)])
            return waiting <= set(MAY_BE_EMPTY)

        until(answered, "data for every query", told=lambda: "\n".join(sorted(waiting)))
        assert Alerts(demo).open() != []
