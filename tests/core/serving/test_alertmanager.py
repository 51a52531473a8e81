"""A real Prometheus has our server for its Alertmanager, and amtool reads from it."""

import json
import shutil
import signal
import subprocess
from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts, AlertState
from core.alerts.routing.reading import load_routing
from core.alerts.silences import Silences
from core.clock import utc_now
from core.engine import Engine
from core.engine.followed_routing import FollowedRouting
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


@pytest.mark.journey
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


@pytest.fixture
def amtool(server, token_of, tmp_path):
    """Run amtool against the server, with the token of a role."""
    if not HAS_AMTOOL:
        pytest.skip("apt-get install --no-install-recommends prometheus-alertmanager")

    def run(*words, role=Role.OPERATOR):
        (tmp_path / "http.yml").write_text(f"authorization: {{credentials: {tokens[role]}}}\n")
        address = ["--alertmanager.url", f"http://127.0.0.1:{server.port}", "--http.config.file", "http.yml"]
        done = subprocess.run(["amtool", *address, *words], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout.strip(), done.stderr

    tokens = {role: token_of(role) for role in (Role.OPERATOR, Role.VIEWER)}
    return run


@pytest.mark.journey
def test_amtool_shows_the_routing_in_force_without_its_secrets(amtool, workspace):
    assert amtool("config", "show", role=Role.VIEWER)[:2] == (0, "")  # there is no routing file
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    (workspace.root / "alertmanager.yaml").write_text(
        "route: {receiver: desk}\nreceivers:\n- name: desk\n  pagerduty_configs: [{routing_key: PDSECRET}]\n"
    )
    code, shown, _ = amtool("config", "show", role=Role.VIEWER)
    assert (code, "routing_key: <secret>" in shown, "PDSECRET" in shown) == (0, True, False)


def test_the_last_good_routing_is_in_force_while_the_file_cannot_be_used(server, workspace, token_of, amtool):
    file = workspace.root / "alertmanager.yaml"
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    file.write_text("route: {receiver: desk, group_by: [zone]}\nreceivers: [{name: desk}]\n")
    FollowedRouting(workspace, utc_now).follow(load_routing(file))
    file.write_text("route: {receiver: nobody}\n")
    token = token_of(Role.OPERATOR)
    assert send(server, token, an_alert()).status == 200
    code, shown, _ = amtool("config", "show", role=Role.VIEWER)
    assert code == 0
    assert shown.startswith("# The routing file cannot be used since ")
    assert "receiver: desk" in shown

    def read(path):
        return server.ask(path, headers={"authorization": f"Bearer {token}"}).json

    assert [each["name"] for each in read("/api/v2/receivers")] == ["desk"]
    assert [each["receiver"]["name"] for each in read("/api/v2/alerts/groups")] == ["desk"]
    assert [each["receiver"] for each in read("/api/v1/silences/routes")] == ["desk"]
    routing = read("/api/v1/silences/routing")
    assert "alertmanager.yaml, line 1, column 9" in routing["problem"]
    assert {each["routing_problem"] for each in read("/api/v1/notifications/receivers")} == {routing["problem"]}
    assert routing["configuration"]["route"]["group_by"] == ["zone"]


@pytest.mark.journey
def test_amtool_makes_lists_updates_and_ends_silences(amtool, workspace):
    code, silence_id, complaints = amtool(
        "silence",
        "add",
        "-a",
        "mallory",
        "-c",
        "repair",
        "-d",
        "2h",
        "alertname=HostDown",
        'zone=~"eu-.*"',
        "team!=net",
    )
    assert code == 0, complaints
    [silence] = Silences(workspace).active()
    assert (silence.silence_id, silence.comment) == (silence_id, "repair")
    assert silence.matcher_text == 'alertname="HostDown", zone=~"eu-.*", team!="net"'
    assert "operator" in silence.created_by
    assert amtool("silence", "query", "-q")[1] == silence_id
    assert amtool("silence", "query", "-q", "alertname=HostDown")[1] == silence_id
    assert amtool("silence", "query", "-q", "alertname=Other")[1] == ""
    [listed] = json.loads(amtool("-o", "json", "silence", "query")[1])
    assert (listed["status"]["state"], listed["createdBy"]) == ("active", silence.created_by)
    assert {(each["name"], each["isRegex"], each["isEqual"]) for each in listed["matchers"]} == {
        ("alertname", False, True),
        ("zone", True, True),
        ("team", False, False),
    }
    code, shown, complaints = amtool("-o", "json", "silence", "update", "-d", "5h", silence_id)
    assert code == 0, complaints
    [silence] = Silences(workspace).active()
    updated = silence.silence_id
    assert [each["id"] for each in json.loads(shown)] == [updated]
    assert silence.ends_at - silence.starts_at > timedelta(hours=4)
    code, _, complaints = amtool("silence", "expire", updated)
    assert code == 0, complaints
    assert Silences(workspace).active() == []
    assert set(amtool("silence", "query", "-q", "--expired")[1].split()) == {silence_id, updated}


@pytest.mark.journey
def test_amtool_sends_an_alert_and_sees_that_a_silence_hides_it(amtool, workspace):
    code, _, complaints = amtool("alert", "add", "HostDown", "zone=eu-1", "--annotation=summary=it is down")
    assert code == 0, complaints
    [alert] = Alerts(workspace).open()
    assert (alert.name, alert.labels) == ("HostDown", {"alertname": "HostDown", "zone": "eu-1"})
    amtool("silence", "add", "-c", "repair", "zone=eu-1")
    [silence] = Silences(workspace).active()
    assert json.loads(amtool("-o", "json", "alert", "query")[1]) == []
    [hidden] = json.loads(amtool("-o", "json", "alert", "query", "--silenced")[1])
    assert hidden["status"]["silencedBy"] == [silence.silence_id]


@pytest.mark.journey
def test_amtool_sees_what_an_inhibition_hides(amtool, workspace):
    (workspace.root / "routing.yaml").write_text(
        "route: {receiver: desk}\nreceivers: [{name: desk}]\n"
        "inhibit_rules: [{source_matchers: [alertname=HostDown], target_matchers: [layer=app], equal: [zone]}]\n"
    )
    workspace.settings_file.write_text("alerts: {routing: routing.yaml}\n")
    for name, layer in (("HostDown", "host"), ("Slow", "app")):
        assert amtool("alert", "add", name, "zone=eu-1", f"layer={layer}")[0] == 0
    [source] = json.loads(amtool("-o", "json", "alert", "query")[1])
    assert source["labels"]["alertname"] == "HostDown"
    assert source["receivers"] == [{"name": "desk"}]
    hidden = json.loads(amtool("-o", "json", "alert", "query", "--inhibited", "alertname=Slow")[1])
    assert [alert["status"]["inhibitedBy"] for alert in hidden] == [[source["fingerprint"]]]


def test_a_viewer_lists_silences_and_makes_none(amtool, workspace):
    assert amtool("silence", "add", "-c", "repair", "zone=eu-1", role=Role.VIEWER)[0] != 0
    assert Silences(workspace).all() == []
    amtool("silence", "add", "-c", "repair", "zone=eu-1")
    code, silence_id, _ = amtool("silence", "query", "-q", role=Role.VIEWER)
    assert (code, bool(silence_id)) == (0, True)
    assert amtool("silence", "expire", silence_id, role=Role.VIEWER)[0] != 0
    assert len(Silences(workspace).active()) == 1


def a_silence(**changes):
    now = utc_now()
    matcher = {"name": "zone", "value": "eu-1", "isRegex": False}
    known = {"matchers": [matcher], "comment": "repair", "createdBy": "ada", "startsAt": now.isoformat()}
    return known | {"endsAt": (now + timedelta(hours=1)).isoformat()} | changes


@pytest.mark.journey
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"comment": " "}, id="without a comment"),
        pytest.param({"matchers": []}, id="for every alert"),
        pytest.param({"matchers": [{"name": "zone", "value": "(a+)+b", "isRegex": True}]}, id="that takes for ever"),
        pytest.param({"endsAt": "2020-01-01T00:00:00Z"}, id="that is over"),
        pytest.param({"endsAt": "9999-12-31T23:59:59Z"}, id="for centuries"),
        pytest.param({"matchers": [{"name": "", "value": "x", "isRegex": False}]}, id="of a label without a name"),
    ],
)
def test_a_silence_that_cannot_be_is_refused(changes, server, workspace, token_of):
    headers = {"authorization": f"Bearer {token_of(Role.OPERATOR)}"}
    assert server.ask("/api/v2/silences", a_silence(**changes), headers=headers).status == 400
    assert Silences(workspace).all() == []


def test_what_is_no_silence_is_not_found(server, token_of):
    headers = {"authorization": f"Bearer {token_of(Role.OPERATOR)}"}
    assert server.ask("/api/v2/silence/nosuch").status == 404
    assert server.ask("/api/v2/silences", a_silence(id="nosuch"), headers=headers).status == 404


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
    assert "alert 1: 'a b' is no name of a label" in answer.json  # a JSON string, as an Alertmanager's errors are
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


SILENCE = {"matchers": [{"name": "a", "value": "b", "isRegex": False}], "createdBy": "ana", "comment": "x"}


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        pytest.param(
            "alerts",
            [{"labels": {"a": "b"}, "endsAt": 5}],
            "endsAt must be a date with a time or null, not a",
            id="number",
        ),
        pytest.param(
            "alerts", [{"labels": {"a": 5}}], "labels must have entries that are text, not a whole", id="a label"
        ),
        pytest.param("alerts", b'[{"labels": {"a": "\\ud800"}}]', "half of a character, \\ud800", id="half"),
        pytest.param(
            "silences",
            {**SILENCE, "startsAt": 5, "endsAt": "2100-01-01T00:00:00Z"},
            "not a whole number",
            id="start of a silence",
        ),
        pytest.param(
            "silences",
            {**SILENCE, "startsAt": "2001-01-01T00:00:00Z", "endsAt": "2002-01-01T00:00:00Z"},
            "would have ended at 2002-01-01 00:00 UTC, which has passed",
            id="a silence in the past",
        ),
    ],
)
def test_a_value_of_another_type_or_time_is_refused_by_its_reason(api, path, body, problem):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = api.post(f"/api/v2/{path}", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)
    operation = api.get("/api/v1/openapi.json").json()["paths"][f"/api/v2/{path}"]["post"]
    assert operation["responses"]["400"]["content"]["application/json"]["schema"] == {"type": "string"}
    assert problem in answer.json()
    assert api.get("/api/v2/alerts").json() == api.get("/api/v2/silences").json() == []
