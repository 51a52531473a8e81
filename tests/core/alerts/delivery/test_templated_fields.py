"""Templates in the fields that address a message, and the Events API v1 of PagerDuty."""

import json
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.alerts import AlertState
from core.alerts.delivery import templates
from core.alerts.delivery.channels.alertmanager_json import webhook_document
from core.alerts.delivery.channels.pagerduty import PagerDutyChannel, dedup_key, event_of_v1, pagerduty_event
from core.alerts.delivery.channels.slack import SlackChannel
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import MessageStatus
from core.alerts.delivery.secret import Secrets
from core.alerts.delivery.templates import TemplatedField
from tests.core.alerts.delivery.told import a_message, an_alert
from tests.waiting import PATIENCE_SECONDS

WAIT = {"timeout_seconds": PATIENCE_SECONDS}
PLACE = "alertmanager.yml:7:5"
MESSAGE = a_message(
    an_alert("gate_failed", labels={"model": "spread", "team": "desk"}),
    an_alert("drift_found", labels={"model": "spread", "team": "rates"}, state=AlertState.RESOLVED),
    group_labels={"model": "spread", "alertname": "x"},
)


def secrets() -> Secrets:
    """Return what may hold secrets itself."""
    return Secrets(place=PLACE, is_private=True)


def test_a_receiver_is_quoted_in_templates_and_webhooks_as_alertmanager_does():
    message = replace(MESSAGE, receiver="desk-a.b (EU)+{1}")
    assert TemplatedField("{{ .Receiver }}", PLACE, "to").filled(message) == r"desk-a\.b \(EU\)\+\{1\}"
    assert webhook_document(message)["receiver"] == r"desk-a\.b \(EU\)\+\{1\}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .GroupLabels.model }}@desk.example", "spread@desk.example"),
        ("{{ .CommonLabels.model | toUpper }} {{ .CommonLabels.team }}", "SPREAD "),
        ("{{ .Status }} {{ .Receiver }} {{ len .Alerts }}", "firing ops 2"),
        ("{{ range .Alerts.Firing }}{{ .Labels.team }}{{ end }}", "desk"),
        ("{{ .Alerts.Resolved | len }} {{ (index .Alerts 1).Labels.team }}", "1 rates"),
        ('{{ .GroupLabels.Names | join "," }} {{ .GroupLabels.Values | join "," }}', "alertname,model x,spread"),
        ("{{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}", "alertname=x;model=spread;"),
        ('{{ if eq .CommonLabels.severity "critical" }}#now{{ else }}#later{{ end }}', "#now"),
        ('{{ reReplaceAll "(.)pread" "$1" .GroupLabels.model }} {{ trimSpace " a " }}', "s a"),
        (
            '{{ stringSlice "a" "b" | join "-" }} {{ define "x" }}{{ . }}{{ end }}{{ template "x" .Receiver }}',
            "a-b ops",
        ),
    ],
)
def test_a_field_is_filled_in_as_alertmanager_does(template, expected):
    assert TemplatedField(template, PLACE, "to").filled(MESSAGE) == expected


VALUES = (
    ".", ".Alerts", ".Alerts.Firing", ".GroupLabels", ".GroupLabels.SortedPairs", ".GroupLabels.Names", ".Receiver",
    "5", "-5", "1.5", "true", "nil", "(index .Alerts 0).StartsAt.Month", "(index .Alerts 0).EndsAt",
)  # fmt: skip
GROUP_IN_PRINTF = 'alertname=x, model=spread|"alertname=x, model=spread"|alertname|template.KV'
VERBS = ("%v", "%+v", "%#v", "%T", "%s", "%q", "%x", "%X", "%d", "%10v|", "%-12s|", "%.3s")
OF_AMTOOL = [
    *Path(__file__).with_name("notification_templates.txt").read_text().splitlines(),
    *(
        f'{{{{ printf "{verb}" {value} }}}}'
        for verb in VERBS
        for value in VALUES
        if verb != "%t" or value[0] not in "(."
    ),
]


@pytest.mark.skipif(not shutil.which("amtool"), reason="Alertmanager's amtool is not installed")
@pytest.mark.parametrize("template", OF_AMTOOL)
def test_the_real_tool_fills_in_the_same_text(tmp_path, template, monkeypatch):
    for kind in (templates._Labels, templates._Pairs):  # of Debian's 0.25, labels have no text of their own
        monkeypatch.setattr(kind, "as_text", lambda _: None)
    (tmp_path / "none.tmpl").write_text("")
    document = webhook_document(MESSAGE, most_alerts=0)
    for told_of, alert in zip(document["alerts"], MESSAGE.alerts, strict=True):
        told_of["annotations"] = alert.annotations  # without those that the document adds
    (tmp_path / "alerts.json").write_text(json.dumps(document))
    command = ["amtool", "template", "render", "--template.glob=none.tmpl", "--template.data=alerts.json"]
    command.append(f"--template.text={template}")
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if told.returncode:
        with pytest.raises(DeliveryError):
            TemplatedField(template, PLACE, "to").filled(MESSAGE)
    else:
        assert TemplatedField(template, PLACE, "to").filled(MESSAGE) == told.stdout


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .GroupLabels }}", "alertname=x, model=spread"),
        ("{{ .CommonLabels.SortedPairs }}", "model=spread, severity=critical"),
        ("{{ slice .GroupLabels.SortedPairs 1 }}", "model=spread"),
        ('{{ .GroupLabels.Remove (stringSlice "alertname" "model") }}', ""),
        ('{{ printf "%s|%q|%.9v|%T" .GroupLabels .GroupLabels .GroupLabels .GroupLabels }}', GROUP_IN_PRINTF),
        ('{{ printf "%#v" .GroupLabels }}', 'template.KV{"alertname":"x", "model":"spread"}'),
        ("{{ printf `%v` (index .GroupLabels.SortedPairs 1) }}", "{model spread}"),
    ],
)
def test_labels_are_written_as_since_alertmanager_0_26(template, expected):
    assert TemplatedField(template, PLACE, "to").filled(MESSAGE) == expected


def test_a_part_of_a_list_is_a_list_of_its_kind():
    template = '{{ slice .GroupLabels.Names 0 1 | join "," }}|{{ slice .GroupLabels.Names 0 0 | join "," }}'
    template += "|{{ (slice .GroupLabels.SortedPairs 1).Names }}"
    assert TemplatedField(template, PLACE, "to").filled(MESSAGE) == "alertname||[model]"


def test_an_imaginary_number_is_refused_with_its_place():
    with pytest.raises(DeliveryError, match=r"imaginary numbers are not read by BondX \(at character 4\)"):
        TemplatedField("{{ 1i }}", PLACE, "to")


def test_functions_of_a_newer_alertmanager_are_known():
    template = (
        '{{ with index .Alerts 1 }}{{ .StartsAt | tz "Europe/Zurich" | date "15:04 MST" }} '
        "{{ .EndsAt.Sub .StartsAt | humanizeDuration }}{{ end }} {{ `a+b%20c` | urlUnescape }}"
    )
    assert TemplatedField(template, PLACE, "to").filled(MESSAGE).endswith(" 5m 0s a b c")


@pytest.mark.parametrize(
    "template", ["{{ .Nope }}", "{{ $labels.x }}", "{{ date }}", "{{ .Status.x }}", "{{ template `x` }}"]
)
def test_a_template_that_fails_is_refused_where_it_is_needed(template):
    with pytest.raises(DeliveryError, match=rf"^{PLACE}: the template of to cannot be filled in"):
        TemplatedField(template, PLACE, "to")
    assert TemplatedField(template, PLACE, "to", is_needed=False).filled(MESSAGE) == ""


def test_a_template_that_fails_on_one_message_gives_up_this_message_alone():
    field = TemplatedField("{{ if .GroupLabels.model }}{{ index .Alerts 7 }}{{ end }}", PLACE, "to")
    with pytest.raises(DeliveryError) as raised:
        field.filled(MESSAGE)
    assert raised.value.is_permanent


PIECES = [
    "{{", "}}", " .Alerts", " .GroupLabels", ".model", " | ", "len", " range", " end", " `x`", " index", " 0", "(", ")",
    " if", " .", " join", " printf", "%s", " SortedPairs", ".Names", " $x := ", " template",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_whatever_is_written_a_field_is_filled_in_or_refused(text):
    with suppress(DeliveryError):
        TemplatedField(text, PLACE, "to").filled(MESSAGE)
    assert isinstance(TemplatedField(text, PLACE, "username", is_needed=False).filled(MESSAGE), str)


def test_a_slack_channel_and_its_looks_follow_the_labels(http):
    fields = {
        "api_url": http.url("/hook"),
        "channel": "#{{ .GroupLabels.model }}-alerts",
        "username": "{{ .CommonLabels.severity }}",
        "icon_emoji": '{{ template "slack.default.iconemoji" . }}',
    }
    SlackChannel(fields, secrets(), PLACE).send(MESSAGE, **WAIT)
    (request,) = http.requests
    assert request.json["channel"] == "#spread-alerts"
    assert request.json["username"] == "critical"
    assert "icon_emoji" not in request.json


EVENT_OF_V1 = {
    "type": "object",
    "required": ["service_key", "event_type"],
    "properties": {
        "service_key": {"type": "string", "minLength": 1},
        "event_type": {"enum": ["trigger", "acknowledge", "resolve"]},
        "incident_key": {"type": "string", "maxLength": 255},
        "description": {"type": "string", "minLength": 1, "maxLength": 1024},
        "client": {"type": "string"},
        "client_url": {"type": "string"},
        "details": {"type": "object"},
        "contexts": {"type": "array", "items": {"required": ["type"]}},
    },
    "additionalProperties": False,
    "if": {"properties": {"event_type": {"const": "trigger"}}},
    "then": {"required": ["description"]},
}


def test_a_service_key_triggers_acknowledges_and_resolves_an_incident_of_version_1(http):
    channel = PagerDutyChannel({"service_key": "PDSECRET", "url": http.url("/create_event.json")}, secrets(), PLACE)
    fires = a_message(an_alert(annotations={"runbook_url": "https://wiki.example/x"}))
    for message in (
        fires,
        replace(fires, status=MessageStatus.ACKNOWLEDGED),
        a_message(an_alert(state=AlertState.RESOLVED)),
    ):
        channel.send(message, **WAIT)
    documents = [request.json for request in http.requests]
    for document in documents:
        jsonschema.validate(document, EVENT_OF_V1)
    assert [document["event_type"] for document in documents] == ["trigger", "acknowledge", "resolve"]
    assert {document["incident_key"] for document in documents} == {dedup_key(fires)}
    assert documents[0]["description"] == pagerduty_event(fires)["payload"]["summary"]
    assert documents[0]["contexts"] == [
        {"type": "link", "href": "https://wiki.example/x", "text": "Runbook: gate_failed"}
    ]
    assert event_of_v1(pagerduty_event(fires))["details"]["severity"] == "critical"


def test_the_address_of_version_2_is_not_that_of_a_service_key():
    channel = PagerDutyChannel(
        {"service_key": "PDSECRET", "url": "https://events.pagerduty.com/v2/enqueue"}, secrets(), PLACE
    )
    assert channel._url.reveal().endswith("/generic/2010-04-15/create_event.json")
