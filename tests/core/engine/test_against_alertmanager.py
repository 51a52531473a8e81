"""The same alerts through a real Alertmanager and through our notifier, with the same routing file and silences.

Both tell the same receiver on loopback. Compared is what each group of each receiver was told of, and its end; and of
each alert, whether it is silenced or inhibited.
"""

import json
import random
import shutil
import subprocess
import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.external import ExternalAlerts, ReceivedAlert
from core.alerts.routing.muting import muted_alerts
from core.alerts.routing.placement import Placements
from core.alerts.routing.reading import load_routing
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.clock import to_iso
from core.engine.workers.notifier import Notifier
from tests.alert_receivers import http_receiver
from tests.clocks import HandClock
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

ADA = Actor("ada", "desk", Origin.COMMAND_LINE)
ROUTING = """
route:
  receiver: desk
  group_by: [model]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
  routes:
    - matchers: ['team=~"ops|net.*"']
      receiver: ops
      group_by: [alertname, severity]
      continue: true
      routes:
        - matchers: [severity=critical]
          receiver: pager
          group_by: ['...']
        - match_re: {zone: "eu-.+"}
          receiver: night
          mute_time_intervals: [always]
    - match: {severity: critical}
      receiver: pager
    - matchers: ['severity!~"critical|warning|info"']
      receiver: unrated
    - matchers: [model="etrm", severity!="info"]
      receiver: trades
      group_by: []
      active_time_intervals: [always]
receivers:
RECEIVERS
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: ['severity=~"warning|info"']
    equal: [model, zone, team]
  - source_match: {alertname: HostDown}
    target_match: {layer: app}
    equal: [zone]
  - source_matchers: [alertname="Storm"]
    target_matchers: [alertname="Storm"]
time_intervals:
  - name: always
    time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]
"""
NAMES = ("desk", "ops", "pager", "night", "unrated", "trades")
SILENCES = ('model="silent"', 'zone=~"us-.*", severity!="critical"', 'alertname!~"HostDown|Storm|Drift", team="net1"')
VALUES = {
    "alertname": ("Drift", "Slow", "HostDown", "Storm"),
    "severity": ("critical", "warning", "info", "page", ""),
    "model": ("spread", "etrm", "silent", ""),
    "team": ("ops", "net1", "risk", ""),
    "zone": ("eu-1", "us-1", ""),
    "layer": ("app", ""),
}
pytestmark = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None,
    reason="apt-get install --no-install-recommends prometheus-alertmanager",
)


def label_sets(seed, number):
    chance, found = random.Random(seed), {}
    while len(found) < number:
        labels = {name: value for name, values in VALUES.items() if (value := chance.choice(values))}
        found[tuple(sorted(labels.items()))] = labels
    return list(found.values())


class RealAlertmanager:
    """A real Alertmanager on loopback."""

    def __init__(self, file, folder):
        self.port = free_port()
        self.log = folder / "alertmanager.log"
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(
                [
                    "prometheus-alertmanager",
                    f"--config.file={file}",
                    f"--storage.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--cluster.listen-address=",
                ],
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        until(self.is_ready, "a ready Alertmanager", told=self.log.read_text)

    def is_ready(self):
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.ask("/-/ready")
        except (urllib.error.URLError, ConnectionError):
            return False

    def ask(self, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith((b"[", b"{")) else text

    def close(self):
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)


def told(requests, *, by_ours):
    """Return the alerts by receiver, labels of the group and state, as the receiver heard of them.

    An end counts for who heard of the beginning: of a group that ended at once, an Alertmanager names the alerts, too,
    that were inhibited until then.
    """
    found = defaultdict(set)
    for request in requests:
        document = request.json
        if by_ours is (document["externalURL"] == ""):
            group = (document["receiver"], tuple(sorted(document["groupLabels"].items())))
            for alert in document["alerts"]:
                found[(*group, alert["status"])].add(tuple(sorted(alert["labels"].items())))
    return {
        (*group, state): alerts & found[(*group, "firing")] if state == "resolved" else alerts
        for (*group, state), alerts in [*found.items()]
    }


def difference(requests):
    theirs, ours = (told(requests, by_ours=by_ours) for by_ours in (False, True))
    nothing = frozenset()
    return {
        group: {"theirs alone": theirs.get(group, nothing) - ours.get(group, nothing)}
        | {"ours alone": ours.get(group, nothing) - theirs.get(group, nothing)}
        for group in theirs.keys() | ours.keys()
        if theirs.get(group) != ours.get(group)
    }


def muted_by_ours(workspace, file, now):
    alerts = Alerts(workspace).open()
    muted = muted_alerts(Placements(load_routing(file)), alerts, Silences(workspace).all(), now)
    return {
        tuple(sorted(alert.labels.items())): muted[alert.fingerprint].by
        for alert in alerts
        if alert.fingerprint in muted
    }


def rounds(workspace, file, muted):
    """Yield the alerts so that each inhibited one comes after its source: an Alertmanager tells it else meanwhile."""
    placements = Placements(load_routing(file))
    left = Alerts(workspace).open()
    sent = [alert for alert in left if muted.get(tuple(sorted(alert.labels.items()))) != "inhibited"]
    batch = sent
    while batch:
        yield [alert.labels for alert in batch]
        inhibition = placements.inhibition(sent)
        names = {alert.fingerprint for alert in sent}
        left = [alert for alert in left if alert.fingerprint not in names]
        batch = [alert for alert in left if inhibition.source_of(placements.of(alert)) is not None]
        sent = [*sent, *batch]


def muted_by_theirs(real):
    found = {}
    for alert in real.ask("/api/v2/alerts"):
        silenced, inhibited = alert["status"]["silencedBy"], alert["status"]["inhibitedBy"]
        if silenced or inhibited:
            found[tuple(sorted(alert["labels"].items()))] = "silenced" if silenced else "inhibited"
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_a_real_alertmanager_tells_and_withholds_the_same(seed, workspace, context, tmp_path):
    all_labels = label_sets(seed, 120)
    now = datetime.now(UTC)
    ends_at = now + timedelta(hours=2)
    with http_receiver() as http:
        file = tmp_path / "alertmanager.yaml"
        receivers = "\n".join(
            f"  - name: {name}\n    webhook_configs: [{{url: '{http.url('/' + name)}'}}]" for name in NAMES
        )
        file.write_text(ROUTING.replace("RECEIVERS", receivers))
        workspace.settings_file.write_text(f"alerts: {{routing: '{file}'}}\n")
        real = RealAlertmanager(file, tmp_path)
        try:
            clock = HandClock(now)
            for text in SILENCES:
                matchers = read_matchers(text)
                Silences(workspace, clock=clock).add(matchers, ADA, comment="known", ends_at=ends_at)
                wire = [
                    {"name": m.name, "value": m.value, "isRegex": "~" in m.op, "isEqual": m.op[0] == "="}
                    for m in matchers
                ]
                span = {"startsAt": to_iso(now), "endsAt": to_iso(ends_at)}
                real.ask("/api/v2/silences", {"matchers": wire, "createdBy": "ada", "comment": "known", **span})

            external = ExternalAlerts(workspace, clock)
            notifier = Notifier(replace(context, clock=clock))

            def send(batch, **times):
                wire = {name: to_iso(at) for name, at in times.items()}
                real.ask("/api/v2/alerts", [{"labels": labels, **wire} for labels in batch])

            external.receive([ReceivedAlert(labels=labels, ends_at=ends_at) for labels in all_labels], ADA)
            expected_muted = muted_by_ours(workspace, file, clock())
            sent = set()
            for batch in rounds(workspace, file, expected_muted):
                send(batch, startsAt=now, endsAt=ends_at)
                sent |= {tuple(sorted(labels.items())) for labels in batch}
                wanted = {labels: by for labels, by in expected_muted.items() if labels in sent}
                until(
                    lambda sent=sent, wanted=wanted: (
                        len(real.ask("/api/v2/alerts")) == len(sent) and muted_by_theirs(real) == wanted
                    ),
                    "the same alerts silenced and inhibited",
                    told=lambda wanted=wanted: (muted_by_theirs(real), wanted),
                )
            assert len(sent) == len(all_labels)
            assert set(expected_muted.values()) == {"silenced", "inhibited"}

            def ours():
                clock.pass_by(1)
                notifier.step()
                return not notifier.outbox.pending() and told(http.requests, by_ours=True)

            until(ours, "what ours tells")
            until(ours, "what ours tells")
            until(
                lambda: told(http.requests, by_ours=False).keys() >= told(http.requests, by_ours=True).keys(),
                "what Alertmanager tells",
                told=lambda: told(http.requests, by_ours=True).keys() - told(http.requests, by_ours=False).keys(),
            )
            until(
                lambda: told(http.requests, by_ours=False) == told(http.requests, by_ours=True),
                "the same told",
                told=lambda: difference(http.requests),
            )
            assert {receiver for receiver, *_ in told(http.requests, by_ours=True)} == {*NAMES} - {"night"}

            heard = told(http.requests, by_ours=True)
            over = datetime.now(UTC)
            clock.pass_by(max(1.0, (over - clock()).total_seconds()))
            external.receive([ReceivedAlert(labels=labels, ends_at=clock()) for labels in all_labels], ADA)
            send(all_labels, startsAt=now, endsAt=over)
            until(ours, "what ours tells of the end")

            def theirs_of_heard():
                """Leave out what was inhibited: where its source ends a moment before, an Alertmanager may tell it."""
                return {
                    (*group, state): alerts & heard[(*group, "firing")]
                    for (*group, state), alerts in told(http.requests, by_ours=False).items()
                    if (*group, "firing") in heard
                }

            until(
                lambda: theirs_of_heard() == told(http.requests, by_ours=True),
                "the same ends",
                told=lambda: difference(http.requests),
            )
            states = [state for *_, state in told(http.requests, by_ours=True)]
            assert states.count("resolved") == states.count("firing") > 10
        finally:
            real.close()
            notifier.end(after_failure=False)


@pytest.fixture(name="ana")
def _ana():
    return ADA


def shown(alerts):
    """Return what is shown of alerts, without what another program must differ in."""
    return {
        tuple(sorted(alert["labels"].items())): (
            alert["status"]["state"],
            bool(alert["status"]["silencedBy"]),
            bool(alert["status"]["inhibitedBy"]),
            sorted(receiver["name"] for receiver in alert["receivers"]),
        )
        for alert in alerts
    }


def shown_groups(groups):
    return {(group["receiver"]["name"], *sorted(group["labels"].items())): shown(group["alerts"]) for group in groups}


def test_the_api_shows_alerts_and_groups_as_a_real_alertmanager_does(workspace, api, tmp_path):
    labels_of_all = label_sets(3, 60)
    now = datetime.now(UTC)
    span = {"startsAt": to_iso(now), "endsAt": to_iso(now + timedelta(hours=2))}
    file = tmp_path / "alertmanager.yaml"
    receivers = "\n".join(f"  - name: {name}" for name in NAMES)
    file.write_text(ROUTING.replace("RECEIVERS", receivers))
    workspace.settings_file.write_text(f"alerts: {{routing: '{file}'}}\n")
    real = RealAlertmanager(file, tmp_path)
    try:
        for text in SILENCES:
            wire = [
                {"name": m.name, "value": m.value, "isRegex": "~" in m.op, "isEqual": m.op[0] == "="}
                for m in read_matchers(text)
            ]
            silence = {"matchers": wire, "createdBy": "ada", "comment": "known", **span}
            real.ask("/api/v2/silences", silence)
            assert api.post("/api/v2/silences", json=silence).status_code == 200
        alerts = [{"labels": labels, **span} for labels in labels_of_all]
        real.ask("/api/v2/alerts", alerts)
        assert api.post("/api/v2/alerts", json=alerts).status_code == 200

        ours = api.get("/api/v2/alerts").json()
        until(
            lambda: shown(real.ask("/api/v2/alerts")) == shown(ours),
            "the same alerts",
            told=lambda: set(shown(real.ask("/api/v2/alerts")).items()) ^ set(shown(ours).items()),
        )
        assert {state for state, *_ in shown(ours).values()} == {"active", "suppressed"}
        by_fingerprint = {alert["fingerprint"]: alert for alert in ours}
        sources = [by_fingerprint[source]["labels"] for alert in ours for source in alert["status"]["inhibitedBy"]]
        assert sources
        assert all("critical" in source.values() or source["alertname"] in ("HostDown", "Storm") for source in sources)
        assert [each["name"] for each in api.get("/api/v2/receivers").json()] == [*NAMES]
        until(
            lambda: (
                shown_groups(real.ask("/api/v2/alerts/groups")) == shown_groups(api.get("/api/v2/alerts/groups").json())
            ),
            "the same groups",
        )
        for query in ("", "?silenced=false", "?inhibited=false&active=true", "?active=false", "?receiver=pager|desk",
                      "?filter=severity%3D%22critical%22&inhibited=false"):  # fmt: skip
            expected = shown_groups(real.ask(f"/api/v2/alerts/groups{query}"))
            assert shown_groups(api.get(f"/api/v2/alerts/groups{query}").json()) == expected, query
            listed = shown(real.ask(f"/api/v2/alerts{query}"))
            assert shown(api.get(f"/api/v2/alerts{query}").json()) == listed, query
    finally:
        real.close()
