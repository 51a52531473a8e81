"""What is in `deploy/` works as it is: real tools accept it, and every query returns data from a real Prometheus."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import msgspec
import promql_parser
import pytest
import yaml

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.ready_made import READY_MADE_FILE
from core.alerts.rule_files import AlertingRule, load_rule_file
from core.clock import utc_now
from core.engine import Engine
from core.metrics.catalogue import CATALOGUE
from core.monitoring.documents import EstimatePart, HealthReason, HealthState, MonitoredMetric, PerformancePart
from core.promql.plan import RangeSelector, Selector
from core.registry import Registry
from core.rollout import Rollout, RolloutPhase, Strategy
from core.serving.access import Role, Tokens
from core.settings import PromotionSettings, Settings, TrainingSettings
from core.state import Workspace
from core.stress.model_figures import ModelCase, ModelUnderStress
from core.stress.stored_tests import StressTests
from core.stress.stress_test import StressRequest, run_stress_test
from core.telemetry import TelemetryWriter
from core.training.criteria import criteria
from core.training.own_data import TrainRequest, train_on_file
from core.training.scores import EpochScore, EpochScores
from core.training.sessions import Sessions
from tests.monitored import LOOKED_AT, health, monitored
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until
from tools import dashboards
from tools.demo import make_demo

DEPLOY = Path(__file__).parents[3] / "deploy"
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
QUERIES = [*dashboards.queries()]
NAME = re.compile(r"\bbondx_[a-z0-9_]+")
RULES = [rule for rule in load_rule_file(READY_MADE_FILE).rules if isinstance(rule, AlertingRule)]
OF_ENGINE = {
    f'{name}{{job="bondx-engine"}}'
    for name in ("up", "bondx_engine_worker_up", "bondx_machine_memory_total_bytes", "bondx_alert_limit")
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


def selectors(node):
    """Yield every selector of an expression as an instant vector."""
    if isinstance(node, Selector | RangeSelector):
        name = next(each.value for each in node.matchers if each.name == "__name__")
        others = (f'{each.name}{each.op}"{each.value}"' for each in node.matchers if each.name != "__name__")
        yield f"{name}{{{', '.join(others)}}}"
    for child in node.children:
        yield from selectors(child)


SELECTORS = {selector for rule in RULES for selector in selectors(rule.expression.root)}


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


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A workspace with what no demo has: unknown categories, a version that cannot be loaded, a worse one."""
    folder = tmp_path_factory.mktemp("own")
    data = folder / "rents.csv"
    rows = [f"{20 + n % 80},{('nord', 'west')[n % 2]},{300 + 9 * (n % 80)}" for n in range(240)]
    data.write_text("\n".join(["area,district,rent", *rows]) + "\n", encoding="utf-8")
    workspace = Workspace.create(folder / "workspace", settings_text="policy: {promotion: {min_accuracy: 0}}\n")
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    for model in ("rents", "damaged"):
        train_on_file(workspace, TrainRequest(model, data, target="rent"), Settings(), actor=ANA)
        for _ in range(2):
            registry.apply(registry.plan_promotion(model, "1.0.0"), actor=ANA)
    (registry.load_path("damaged", "1.0.0") / "model.json").write_text("{}")
    accuracy = MonitoredMetric(metric="accuracy", value=0.9, low=0.88, high=0.92, n=400, reference=0.93)
    reasons = [
        HealthReason(source=source, state=HealthState.DEGRADED, text=source, weight=1.1)
        for source in ("performance", "staleness")
    ]
    monitored(
        workspace,
        "rents",
        health=health(HealthState.DEGRADED, *reasons),
        performance=PerformancePart(as_of=LOOKED_AT, n_outcomes=400, metrics=(accuracy,)),
        estimate=EstimatePart(as_of=LOOKED_AT, method="density ratios", n_rows=400, metrics=(accuracy,)),
    )
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        telemetry.add("disk.days_until_full", utc_now(), 90.0)
    request = StressRequest(domain="bonds", n_rows=60, seed=3, scenarios=["rates_up"], severities=["severe"])
    calm = ModelCase(scenario="calm", family="", severity="", figures={"error": 1.0})
    worse = ModelCase(
        scenario="rates_up",
        family="rate_shock",
        severity="severe",
        figures={"error": 2.0, "attainment": 0.8},
        gates=("coverage",),
    )
    model = ModelUnderStress(model="rents@1.0.0", panel="60 rows", n_rows=60, calm=calm, cases=(worse,))
    StressTests(workspace).keep(msgspec.structs.replace(run_stress_test(request), models=(model,)), ANA)
    return workspace


@pytest.mark.journey
@needs_prometheus
def test_every_query_returns_data_from_a_prometheus_that_scraped_an_engine_and_servers(
    workspace, staged, rolling, running, rows_of, configured, own, tmp_path
):
    """One workspace has a real engine, a rollout and traffic; training and monitoring are in two other ones."""
    rolling(Strategy.CANARY)
    demo = make_demo(tmp_path / "demo", now=utc_now())
    at_work = next(each for each in Sessions(demo).all() if not each.observed.phase.is_at_rest)
    history = EpochScores([EpochScore(0.8, 1.0), EpochScore(0.9, 1.0)])
    more = {"criteria": criteria(history, TrainingSettings()), "epoch_seconds": 40.0}
    Sessions(demo).observe(at_work.session_id, "epoch.complete", actor=Actor.engine(), **more)
    rollouts = demo.database("registry").documents("rollouts", Rollout, "rollout_id")
    judged = next(each for each in rollouts.all() if each.is_active)
    rollouts.replace(
        msgspec.structs.replace(
            judged, observed=msgspec.structs.replace(judged.observed, phase=RolloutPhase.INCONCLUSIVE)
        )
    )
    with ExitStack() as held:
        of_engine = free_port()
        engine = Engine(workspace, mode="headless", actor=ANA, metrics_listen=str(of_engine))
        engine.start()
        held.callback(engine.stop)
        server = held.enter_context(running(workspace))
        others = [held.enter_context(running(each)) for each in (demo, own)]
        # The servers are asked with one file of a token, so that none may require one: they listen on this machine.
        ports = (server.port, *(each.port for each in others))
        folder = configured(ports, "none", secret_for(workspace, Role.OPERATOR))
        configuration = folder / "prometheus.yml"
        text = configuration.read_text().replace("    authorization: {credentials_file: bondx.token}\n", "")
        assert text.count("127.0.0.1:8000") == 1
        text = re.sub(r"(?m)^  # (?=- |  )", "  ", text)  # the job of the engine
        configuration.write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{of_engine}"))
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
        waiting = {*(expr for _, _, expr in QUERIES), *SELECTORS, *OF_ENGINE}

        def answered():
            server.ask("/api/v1/predict/spread", {"rows": rows})
            server.ask("/api/v1/predict/spread", {"rows": "none"})
            others[1].ask("/api/v1/predict/rents", {"rows": [{"area": 50, "district": "on the moon"}]})
            waiting.difference_update([expr for expr in waiting if n_series(expr)])
            return not waiting

        until(answered, "data for every query and every selector of a rule", told=lambda: "\n".join(sorted(waiting)))
        assert Alerts(demo).open() != []
