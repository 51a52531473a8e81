"""The routing in force while its file cannot be used: known to every process, and after a restart of the engine."""

import errno
import os
from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml

from core.alerts import Alerts
from core.alerts.delivery.records import NotificationState
from core.alerts.routing.in_force import comment_of, routing_standing, shown_routing
from core.alerts.routing.last_good import DATABASE, recalled, recorded, records_of
from core.alerts.routing.reading import load_routing
from core.alerts.routing.shown import route_tree, routes_shown
from core.clock import in_words
from core.engine import followed_routing
from core.engine.followed_routing import FollowedRouting
from core.engine.workers.notifier import Notifier
from core.maintenance.doctor import examine
from core.state import Workspace
from tests.alert_receivers import http_receiver
from tests.clocks import HandClock
from tests.core.alerts.routing.test_effective import FILE as EVERY_SECRET
from tests.waiting import until

ROUTING = """\
route:
  receiver: desk
  group_wait: 10s
receivers:
  - name: desk
    webhook_configs: [{{url: "{url}"}}]
"""
WITH_TOKEN = """\
route:
  receiver: desk
  group_wait: 10s
  routes: [{{matchers: [alertname=gate_failed], receiver: desk, continue: true}}, {{receiver: night}}]
receivers:
  - name: desk
    webhook_configs: [{{url: "{url}", http_config: {{authorization: {{credentials: TOKEN-1234}}}}}}]
  - name: night
    webhook_configs: [{{url_file: night.url}}]
"""
FAULTY = "route: {receiver: nobodyy}\n"


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def http():
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def file(workspace):
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    return workspace.root / "alertmanager.yaml"


@pytest.fixture
def started(context, clock):
    """Start engines: each is a new one over the same workspace."""
    notifiers = []

    def start():
        notifiers.append(Notifier(replace(context, clock=clock)))
        notifiers[-1].step()
        return notifiers[-1]

    yield start
    for notifier in notifiers:
        notifier.end(after_failure=False)


def step(notifier, clock, seconds=0.0):
    clock.pass_by(seconds)
    notifier.step()
    until(lambda: not notifier.outbox.pending(), "the deliveries")


def standing_elsewhere(workspace):
    """Return what another process knows."""
    return routing_standing(Workspace(workspace.root))


def all_tried(pending):
    """Return what waits for its next attempt after its first, once nothing else is pending."""
    return pending if all(each.attempts and each.state is NotificationState.QUEUED for each in pending) else []


def told_of_a_failed_gate(notifier, workspace, clock):
    Alerts(workspace, clock=clock).fire("gate_failed", labels={}, summary="coverage", now=clock())
    notifier.step()
    clock.pass_by(11)
    notifier.step()


def test_every_process_knows_what_an_engine_goes_on_with(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    notifier = started()
    good = load_routing(file)
    assert standing_elsewhere(workspace).problem == ""
    file.write_text(FAULTY)
    clock.pass_by(600)
    notifier.step()
    standing = standing_elsewhere(workspace)
    assert routes_shown(standing.config) == routes_shown(good)
    assert standing.problem == (
        f"The routing file cannot be used since {in_words(clock())}: alertmanager.yaml, line 1, column 9: there "
        f"is no receiver 'nobodyy'; the receivers are none. In force is the routing of {in_words(standing.read_at)}."
    )
    shown = shown_routing(standing)
    assert (shown.file, shown.problem) == (str(file), standing.problem)
    assert yaml.safe_load(comment_of(standing)) is None
    (finding,) = [each for each in examine(workspace) if each.file == str(file)]
    assert finding.problem == standing.problem
    file.write_text(ROUTING.format(url=http.url()))
    notifier.step()
    assert standing_elsewhere(workspace).problem == ""
    assert not [each for each in examine(workspace) if each.file == str(file)]


def test_since_when_a_file_is_faulty_stays_while_it_is_edited(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    notifier = started()
    file.write_text(FAULTY)
    notifier.step()
    since = f"since {in_words(clock())}"
    clock.pass_by(3600)
    file.write_text("route: {receiver: other}\n")
    notifier.step()
    assert since in standing_elsewhere(workspace).problem
    assert "'other'" in standing_elsewhere(workspace).problem


class NoRoom:
    """Documents that can be read, on a disk without a free byte."""

    def __init__(self, documents):
        self.find = documents.find

    def _write(self, *_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    insert = replace = remove = _write


@contextmanager
def full_disk():
    """Let an engine write no record of its routing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(followed_routing, "records_of", lambda workspace: NoRoom(records_of(workspace)))
        yield


def receivers_of(standing):
    return [node.receiver for node in standing.config.route.walk()]


NEWER = "route: {receiver: newer}\nreceivers: [{name: newer, webhook_configs: [{url: 'http://127.0.0.1:9/hook'}]}]\n"


@pytest.mark.parametrize("has_room_before", [True, False])
def test_a_routing_that_could_not_be_recorded_is_recorded_once_there_is_room(
    workspace, clock, http, file, started, has_room_before
):
    file.write_text(ROUTING.format(url=http.url()))
    notifier = started()
    with full_disk():
        file.write_text(NEWER)
        notifier.step()
        if not has_room_before:
            file.write_text(FAULTY)
            notifier.step()
            assert receivers_of(standing_elsewhere(workspace)) == ["desk"]
    notifier.step()
    file.write_text(FAULTY)
    assert receivers_of(standing_elsewhere(workspace)) == ["newer"]
    notifier.step()
    notifier.end(after_failure=False)
    restarted = started()
    assert restarted._routing.config.route.receiver == "newer"
    assert receivers_of(standing_elsewhere(workspace)) == ["newer"]


def test_a_full_disk_is_said_once_and_since_when_a_file_is_faulty_is_kept(
    workspace, clock, http, file, started, caplog
):
    file.write_text(ROUTING.format(url=http.url()))
    notifier = started()
    with full_disk():
        file.write_text(FAULTY)
        notifier.step()
        since = in_words(clock())
        clock.pass_by(3600)
        notifier.step()
    clock.pass_by(3600)
    notifier.step()
    assert f"cannot be used since {since}: " in standing_elsewhere(workspace).problem
    assert len([each for each in caplog.messages if "could not record the routing" in each]) == 1


def test_a_record_is_forgotten_once_the_disk_allows_it(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    notifier = started()
    settings = workspace.settings_file.read_text()
    with full_disk():
        workspace.settings_file.write_text("")
        notifier.step()
    notifier.step()
    workspace.settings_file.write_text(settings)
    file.write_text(FAULTY)
    assert standing_elsewhere(workspace).config is None


@pytest.mark.parametrize("was_open", [False, True])
def test_an_alert_that_could_not_be_stored_is_stored_once_there_is_room(
    workspace, clock, http, file, started, was_open
):
    file.write_text(FAULTY if was_open else ROUTING.format(url=http.url()))
    notifier = started()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fire", "clear"):
            patch.setattr(Alerts, name, NoRoom._write)
        file.write_text(ROUTING.format(url=http.url()) if was_open else FAULTY)
        notifier._routing._refresh()
    assert bool(Alerts(workspace, clock=clock).open()) is was_open
    notifier.step()
    assert bool(Alerts(workspace, clock=clock).open()) is not was_open


TEMPLATED = "templates: ['*.tmpl']\nroute: {receiver: desk}\nreceivers: [{name: desk}]\n"


def test_a_file_of_templates_that_is_edited_or_breaks_is_read_again_elsewhere(workspace, file):
    file.write_text(TEMPLATED)
    templates = workspace.root / "desk.tmpl"
    assert standing_elsewhere(workspace).config.unmatched
    templates.write_text('{{ define "desk" }}#one{{ end }}')
    first = standing_elsewhere(workspace).config
    assert "desk" in first.library.defined
    assert standing_elsewhere(workspace).config is first
    templates.write_text('{{ define "other" }}#two{{ end }}')
    assert "other" in standing_elsewhere(workspace).config.library.defined
    templates.write_text('{{ define "desk" }}#two{{ end')
    assert "desk.tmpl, line 1, column 24" in standing_elsewhere(workspace).problem


def test_the_mode_of_the_file_counts_elsewhere_and_in_the_engine(workspace, clock, http, file, started):
    file.write_text(WITH_TOKEN.format(url=http.url()))
    file.chmod(0o644)
    (workspace.root / "night.url").write_text(http.url())
    notifier = started()
    assert not standing_elsewhere(workspace).config.is_private
    file.chmod(0o600)
    assert standing_elsewhere(workspace).config.is_private
    told_of_a_failed_gate(notifier, workspace, clock)
    until(lambda: http.requests, "the message")
    assert http.requests[0].headers["authorization"] == "Bearer TOKEN-1234"
    file.chmod(0o644)
    assert not standing_elsewhere(workspace).config.is_private


def test_broken_settings_leave_the_file_that_they_named_before_in_force(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    started()
    workspace.settings_file.write_text("alerts:\n  routing: alertmanager.yaml\n  rooting: x\n")
    os.utime(workspace.settings_file, (0, 60))
    standing = standing_elsewhere(workspace)
    assert receivers_of(standing) == ["desk"]
    assert standing.problem.startswith("The settings cannot be used since 1970-01-01 00:01 UTC: bondx.yaml, line 3")
    assert standing.problem.endswith("The routing file stays the one that they named before: alertmanager.yaml.")
    assert standing.read_at is None
    file.write_text(NEWER)  # an engine follows it, too
    assert receivers_of(standing_elsewhere(workspace)) == ["newer"]
    file.write_text(FAULTY)
    both = standing_elsewhere(workspace).problem
    assert both.startswith("The settings cannot be used since")
    assert "The routing file cannot be used since" in both
    assert receivers_of(standing_elsewhere(workspace)) == ["desk"]
    assert {finding.file for finding in examine(workspace)} >= {str(file), str(workspace.settings_file)}


def test_broken_settings_without_an_earlier_routing(workspace, file):
    workspace.settings_file.write_text("rooting: x\n")
    standing = standing_elsewhere(workspace)
    assert standing.config is None
    assert standing.problem.endswith("No earlier routing is known: only attached consoles are told.")


def test_of_a_faulty_file_of_templates_its_own_time_is_said(workspace, clock, file):
    file.write_text(TEMPLATED)
    FollowedRouting(workspace, clock).follow(load_routing(file))
    templates = workspace.root / "desk.tmpl"
    templates.write_text("{{ end")
    os.utime(file, (0, 0))
    os.utime(templates, (0, 60))
    assert standing_elsewhere(workspace).problem.startswith(
        "The file of templates of the routing file cannot be used since 1970-01-01 00:01 UTC: desk.tmpl, line 1"
    )


def test_a_restart_goes_on_with_the_last_good_file(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    started().end(after_failure=False)
    file.write_text(FAULTY)
    notifier = started()
    (alert,) = Alerts(workspace, clock=clock).open()
    assert alert.summary.startswith("Routing unusable, the last good one holds: alertmanager.yaml, line 1")
    told_of_a_failed_gate(notifier, workspace, clock)
    until(lambda: not notifier.outbox.pending(), "the deliveries")
    assert {alert["labels"]["alertname"] for request in http.requests for alert in request.json["alerts"]} == {
        "routing_unusable",
        "gate_failed",
    }


def test_a_restart_with_a_file_that_is_gone_goes_on_too(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    started().end(after_failure=False)
    file.unlink()
    told_of_a_failed_gate(notifier := started(), workspace, clock)
    until(lambda: not notifier.outbox.pending(), "the deliveries")
    assert http.requests


def test_a_secret_of_the_file_is_not_kept_and_what_needs_it_waits(workspace, clock, http, file, started):
    text = WITH_TOKEN.format(url=http.url())
    file.write_text(text)
    file.chmod(0o600)
    with http_receiver() as night:
        (workspace.root / "night.url").write_text(night.url())
        (workspace.root / "night.url").chmod(0o600)
        started().end(after_failure=False)
        state = b"".join(each.read_bytes() for each in workspace.state_dir.rglob("*") if each.is_file())
        assert b"TOKEN-1234" not in state
        assert b'"read_at"' in state
        file.write_text(FAULTY)
        told_of_a_failed_gate(notifier := started(), workspace, clock)
        (unusable,) = [each for each in Alerts(workspace, clock=clock).open() if each.rule == "routing_unusable"]
        assert "the last good one holds without desk, whose secret or address stood in the file" in unusable.summary
        assert "nothing is sent to desk" in standing_elsewhere(workspace).problem
        until(lambda: night.requests, "the receiver whose secret is in a file of its own")
        waiting = until(lambda: all_tried(notifier.outbox.pending()), "an attempt of each that waits")
        assert {each.receiver for each in waiting} == {"desk"}
        assert "correct the file within alerts.delivery.retry_hours" in waiting[0].attempts[-1].detail
        assert http.requests == []
        file.write_text(text)
        step(notifier, clock, 3600)
        until(lambda: http.requests, "the message that waited")
    assert http.requests[0].headers["authorization"] == "Bearer TOKEN-1234"


def test_an_engine_goes_on_with_the_secrets_that_it_read(workspace, clock, http, file, started):
    file.write_text(WITH_TOKEN.format(url=http.url()))
    file.chmod(0o600)
    notifier = started()
    file.unlink()
    file.write_text(FAULTY)  # by an editor, open to others
    told_of_a_failed_gate(notifier, workspace, clock)
    until(lambda: http.requests, "the message")
    assert http.requests[0].headers["authorization"] == "Bearer TOKEN-1234"


def test_without_an_earlier_file_it_is_said_that_nobody_is_told(workspace, clock, file, started):
    file.write_text(FAULTY)
    started()
    (alert,) = Alerts(workspace, clock=clock).open()
    assert alert.summary.startswith("Routing unusable, nobody but the consoles is told: alertmanager.yaml, line 1")
    standing = standing_elsewhere(workspace)
    assert standing.config is None
    assert standing.problem.endswith("No earlier routing is known: only attached consoles are told.")
    assert shown_routing(standing).configuration == {}


def test_files_of_templates_are_kept_with_it(workspace, clock, http, file, started):
    file.write_text(
        "templates: ['*.tmpl']\nroute: {receiver: desk, group_wait: 0s}\nreceivers: [{name: desk, slack_configs: "
        "[{api_url_file: slack.url, channel: '{{ template \"desk\" . }}'}]}]\n"
    )
    (workspace.root / "slack.url").write_text(http.url())
    (workspace.root / "slack.url").chmod(0o600)
    templates = workspace.root / "desk.tmpl"
    templates.write_text('{{ define "desk" }}#one{{ end }}')
    started().end(after_failure=False)
    templates.write_text('{{ define "desk" }}#two{{ end')
    told_of_a_failed_gate(started(), workspace, clock)
    until(lambda: http.requests, "the message")
    assert http.requests[0].json["channel"] == "#one"


def test_a_record_that_cannot_be_used_is_none(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    started().end(after_failure=False)
    stored = workspace.state_file(DATABASE)
    stored.write_text("{")
    for earlier in stored.parent.glob(f"{stored.name}.*"):
        earlier.unlink()
    file.write_text(FAULTY)
    assert standing_elsewhere(workspace).config is None


def test_nothing_is_kept_once_the_settings_name_no_file(workspace, clock, http, file, started):
    file.write_text(ROUTING.format(url=http.url()))
    notifier = started()
    workspace.settings_file.write_text("")
    notifier.step()
    assert standing_elsewhere(workspace).config is None
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    file.write_text(FAULTY)
    assert standing_elsewhere(workspace).config is None


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_what_is_kept_is_the_same_routing_without_its_secrets(tmp_path, clock, mode):
    file = tmp_path / "alertmanager.yaml"
    file.write_text(EVERY_SECRET.replace("hook.example/SECRET", "hook.example/SECRET-0123456"))
    file.chmod(mode)
    config = load_routing(file)
    record = recorded(config, clock())
    assert "SECRET" not in str(record)
    kept = recalled(record)
    assert route_tree(kept) == route_tree(config)
    assert [node.key for node in kept.route.walk()] == [node.key for node in config.route.walk()]
    assert (kept.inhibit_rules, kept.time_intervals) == (config.inhibit_rules, config.time_intervals)
    assert kept.templates == config.templates
    of_kept, of_file = ([*kept.receivers.values()], [*config.receivers.values()])
    assert [[block.place for block in each.blocks] for each in of_kept] == [
        [block.place for block in each.blocks] for each in of_file
    ]
    assert record.unreachable == ["desk", "night"]


def test_an_address_that_others_can_read_is_no_secret_and_a_variable_never_is(tmp_path, clock):
    file = tmp_path / "alertmanager.yaml"
    file.write_text(
        "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url: 'http://127.0.0.1:9/hook'}]\n"
        "- name: b\n  pagerduty_configs: [{routing_key: '${KEY}'}]\n"
        "- name: c\n  slack_configs: [{api_url: 'https://hooks.example/${TOKEN}'}]\n"
    )
    file.chmod(0o644)
    assert recorded(load_routing(file), clock()).unreachable == []
    file.chmod(0o600)
    assert recorded(load_routing(file), clock()).unreachable == ["a"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        pytest.param("pagerduty_configs", {"routing_key": "${KEY}", "details": {"token": "SECRET"}}, id="details"),
        pytest.param("pagerduty_configs", {"routing_key": "${KEY}", "client_url": "https://SECRET@a"}, id="a link"),
        pytest.param("email_configs", {"to": "ada@desk.example", "headers": {"token": "SECRET"}}, id="headers"),
        pytest.param(
            "webhook_configs",
            {"url": "${URL}", "http_config": {"http_headers": {"X-Key": {"secrets": ["SECRET"]}}}},
            id="headers of HTTP, which BondX does not send",
        ),
        pytest.param(
            "webhook_configs",
            {"url": "${URL}", "http_config": {"tls_config": {"key": "SECRET"}}},
            id="a key in the file",
        ),
        pytest.param("opsgenie_configs", {"api_key": "SECRET"}, id="a kind that BondX does not send"),
    ],
)
def test_a_receiver_is_told_without_a_secret_that_its_messages_do_not_need(tmp_path, clock, kind, fields):
    record, _ = kept_of(tmp_path, clock, 0o600, kind, fields)
    assert "SECRET" not in str(record)
    assert record.unreachable == []


def test_templates_under_the_name_of_a_secret_are_kept(tmp_path, clock):
    details = {"model_key": "{{ .CommonLabels.model }}", "token": 'SECRET{{ "x" }}'}
    _, kept = kept_of(tmp_path, clock, 0o600, "pagerduty_configs", {"routing_key": "${KEY}", "details": details})
    assert kept["details"] == {"model_key": "{{ .CommonLabels.model }}", "token": "<secret>"}


def test_pagerduty_is_told_after_a_restart_beside_a_faulty_file(workspace, clock, http, file, started, monkeypatch):
    monkeypatch.setenv("KEY", "R0123456789")
    file.write_text(
        "route: {receiver: desk, group_wait: 10s}\nreceivers: [{name: desk, pagerduty_configs: [{routing_key: '${KEY}'"
        f", url: '{http.url()}', details: {{token: SECRET, model_key: '{{{{ .Receiver }}}}'}}}}]}}]\n"
    )
    file.chmod(0o600)
    started().end(after_failure=False)
    file.write_text(FAULTY)
    told_of_a_failed_gate(started(), workspace, clock)
    assert "nothing is sent to" not in standing_elsewhere(workspace).problem
    until(lambda: http.requests, "the event")
    details = http.requests[0].json["payload"]["custom_details"]
    assert (details["token"], details["model_key"]) == ("<secret>", "desk")


KEPT_ADDRESSES = [
    "https://${HOST}/hook",
    "${BASE}/hook",
    "${BASE}:9000/hook",
    "${SCHEME}://hooks.example/hook",
    "https://hooks.example/services/${TOKEN}",
    "https://hooks.example/hook?token=${TOKEN}",
    "https://${NAME}:${PASSWORD}@hooks.example/hook",
]
LOST_ADDRESSES = [
    "https://hooks.example/services/T0123456/${TOKEN}",
    "https://hooks.example/hook?token=${TOKEN}&key=SECRET",
    "https://hooks.example/hook?token=SECRET${TOKEN}",
    "https://${NAME}:SECRET@hooks.example/hook",
    "https://SECRET@hooks.example/hook",
    "https://SECRET:@hooks.example/hook",
    "https://SECRET:x-oauth-basic@hooks.example/hook",
    "${SCHEME}://SECRET@hooks.example/hook",
    "${PREFIX}SECRET",
    "${PREFIX}:SECRET",
]


def kept_of(tmp_path, clock, mode, kind, fields):
    file = tmp_path / "alertmanager.yaml"
    file.write_text(yaml.safe_dump({"route": {"receiver": "a"}, "receivers": [{"name": "a", kind: [fields]}]}))
    file.chmod(mode)
    record = recorded(load_routing(file), clock())
    return record, record.document["receivers"][0][kind][0]


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize(("kind", "key"), [("webhook_configs", "url"), ("slack_configs", "api_url")])
@pytest.mark.parametrize("address", KEPT_ADDRESSES)
def test_an_address_with_variables_in_place_of_its_secrets_is_kept(tmp_path, clock, mode, kind, key, address):
    record, kept = kept_of(tmp_path, clock, mode, kind, {key: address})
    assert (kept[key], record.unreachable) == (address, [])


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize(("kind", "key"), [("webhook_configs", "url"), ("slack_configs", "api_url")])
@pytest.mark.parametrize("address", LOST_ADDRESSES)
def test_an_address_with_what_may_be_a_token_is_not_kept(tmp_path, clock, mode, kind, key, address):
    record, _ = kept_of(tmp_path, clock, mode, kind, {key: address})
    assert record.unreachable == ["a"]
    assert "SECRET" not in str(record)
    assert "T0123456" not in str(record)


@pytest.mark.parametrize("password", ["https://${HOST}/abc", "${PREFIX}/abc", "${PREFIX}abc", "abc"])
def test_a_password_is_kept_only_if_it_is_all_variables(tmp_path, clock, password):
    fields = {"url": "http://127.0.0.1/hook", "http_config": {"basic_auth": {"username": "ada", "password": password}}}
    assert "abc" not in str(kept_of(tmp_path, clock, 0o644, "webhook_configs", fields)[0].document)
    fields["http_config"]["basic_auth"]["password"] = "${FIRST}${SECOND}"
    assert kept_of(tmp_path, clock, 0o644, "webhook_configs", fields)[0].unreachable == []


@pytest.mark.parametrize(
    ("proxy", "kept"),
    [
        ("http://ada:SECRET@proxy.example:3128", "http://xxxxx@proxy.example:3128"),
        ("http://SECRET@proxy.example:3128", "http://xxxxx@proxy.example:3128"),
        ("http://${NAME}:${PASSWORD}@proxy.example:3128", "http://${NAME}:${PASSWORD}@proxy.example:3128"),
    ],
)
def test_the_account_of_a_proxy_is_not_kept(tmp_path, clock, proxy, kept):
    fields = {"url": "http://127.0.0.1/hook", "http_config": {"proxy_url": proxy}}
    record, block = kept_of(tmp_path, clock, 0o644, "webhook_configs", fields)
    assert block["http_config"]["proxy_url"] == kept
    assert record.unreachable == (["a"] if "SECRET" in proxy else [])
