"""A real Prometheus has our server for its Alertmanager, and amtool reads from it."""

import json
import shutil
import signal
import subprocess
from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts, AlertState
from core.clock import utc_now
from core.engine import Engine
from core.serving.access import Role, Tokens
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
HAS_PROMETHEUS = shutil.which("prometheus") is not None
HAS_AMTOOL = shutil.which("amtool") is not None
CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - api_version: v2
      authorization: {{credentials_file: token}}
      static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
scrape_configs:
  - {{job_name: gone, static_configs: [{{targets: ["127.0.0.1:{gone}"]}}]}}
"""
RULES = """
groups:
  - name: hosts
    rules:
      - alert: HostDown
        expr: (up == 0) and on() (vector({wanted}) == 1)
        labels: {{severity: critical}}
        annotations: {{summary: "{{{{ $labels.job }}}} does not answer"}}
"""


@pytest.fixture
def server(workspace, running):
    with running(workspace) as found:
        yield found


@pytest.fixture
def token_of(workspace):
    tokens = Tokens(workspace)

    def create(role):
        return tokens.create(f"the {role}", role, actor=ANA)[1]

    return create


def send(server, token, *alerts):
    return server.ask("/api/v2/alerts", list(alerts), headers={"authorization": f"Bearer {token}"})


def an_alert(name="HostDown", **more):
    return {"labels": {"alertname": name}, **more}


@pytest.mark.skipif(not HAS_PROMETHEUS, reason="apt-get install --no-install-recommends prometheus")
def test_a_real_prometheus_fires_and_resolves_an_alert_here(server, workspace, token_of, tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "token").write_text(token_of(Role.OPERATOR))
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(port=server.port, gone=free_port()))
    (folder / "rules.yml").write_text(RULES.format(wanted=1))
    log = folder / "log"
    options = ("--config.file=prometheus.yml", "--storage.tsdb.path=series")
    listen = f"--web.listen-address=127.0.0.1:{free_port()}"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["prometheus", *options, listen], cwd=folder, stdout=stream, stderr=subprocess.STDOUT
        )
    alerts = Alerts(workspace)
    try:
        until(alerts.open, "the alert", told=log.read_text)
        [alert] = alerts.open()
        assert alert.rule == "external:HostDown"
        assert alert.summary == "gone does not answer"
        assert alert.labels["job"] == "gone"
        assert "/graph?" in alert.generator_url
        assert alert.ends_at is not None
        assert alert.ends_at > alert.last_at
        (folder / "rules.yml").write_text(RULES.format(wanted=0))
        process.send_signal(signal.SIGHUP)
        until(lambda: alerts.all()[0].state is AlertState.RESOLVED, "the end of the alert", told=log.read_text)
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


@pytest.mark.skipif(not HAS_AMTOOL, reason="apt-get install --no-install-recommends prometheus-alertmanager")
def test_amtool_lists_our_alerts_and_external_alerts(server, workspace, token_of, tmp_path):
    Alerts(workspace).fire("gate_failed", labels={"session": "s-0001"}, summary="A gate failed", now=utc_now())
    operator, viewer = token_of(Role.OPERATOR), token_of(Role.VIEWER)
    send(server, operator, an_alert(annotations={"summary": "It is down"}))
    (tmp_path / "http.yml").write_text(f"authorization: {{credentials: {viewer}}}\n")

    def query(*matchers):
        address = ["--alertmanager.url", f"http://127.0.0.1:{server.port}", "--http.config.file", "http.yml"]
        asked = subprocess.run(
            ["amtool", *address, "alert", "query", "-o", "json", *matchers], cwd=tmp_path, capture_output=True
        )
        assert asked.returncode == 0, asked.stderr
        return {alert["labels"]["alertname"] for alert in json.loads(asked.stdout)}

    assert query() == {"HostDown", "gate_failed"}
    assert query("alertname=HostDown") == {"HostDown"}
    assert query('session=~"s-.*"') == {"gate_failed"}


def test_a_sender_needs_an_operators_token(server, workspace, token_of):
    viewer, operator = token_of(Role.VIEWER), token_of(Role.OPERATOR)
    assert server.ask("/api/v2/alerts", [an_alert()]).status == 401
    assert send(server, viewer, an_alert()).status == 403
    assert send(server, operator, an_alert()).status == 200
    assert server.ask("/api/v2/alerts").json[0]["labels"]["alertname"] == "HostDown"


def test_bad_alerts_are_refused_by_number_and_good_ones_taken(server, workspace, token_of):
    token = token_of(Role.OPERATOR)
    answer = send(server, token, an_alert("Good"), {"labels": {"a b": "x"}})
    assert answer.status == 400
    assert "alert 1: 'a b' is no name of a label" in answer.json["error"]
    assert [alert.rule for alert in Alerts(workspace).open()] == ["external:Good"]
    assert send(server, token, {"labels": {"alertname": 3}}).status == 400
    assert server.ask("/api/v2/alerts", b"", headers={"authorization": f"Bearer {token}"}).status == 400
    assert server.ask("/api/v2/alerts?filter=nonsense").status == 400
    assert server.ask("/api/v2/alerts?filter=a%3D~%22(a%2B)%2B%22").status == 400


def test_it_looks_like_an_alertmanager(server):
    assert server.ask("/-/healthy").status == 200
    assert server.ask("/-/ready").status == 503  # no version is live
    assert server.ask("/api/v2/status").json["versionInfo"]["version"].startswith("bondx ")
    assert server.ask("/api/v2/receivers").json == [{"name": "bondx"}]


def test_the_engine_ends_alerts_whose_time_has_passed(workspace, server, token_of):
    send(server, token_of(Role.OPERATOR), an_alert(endsAt=(utc_now() + timedelta(seconds=1)).isoformat()))
    engine = Engine(workspace, mode="headless", actor=ANA)
    engine.start()
    try:
        until(lambda: not Alerts(workspace).open(), "the end of the alert")
    finally:
        engine.stop()
