"""The words that a block `pagerduty_configs` has of its own, within the documented form of an event."""

import jsonschema
import pytest

from core.alerts import AlertState
from core.alerts.delivery.channels.pagerduty import PagerDutyChannel, pagerduty_event
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.secret import Secrets
from core.promql.template_reading import NO_LIBRARY
from tests.core.alerts.delivery.test_documents import PAGERDUTY
from tests.core.alerts.delivery.told import a_message, an_alert
from tests.waiting import PATIENCE_SECONDS

WAIT = {"timeout_seconds": PATIENCE_SECONDS}
PLACE = "alertmanager.yml:7:5"
BLOCK = {
    "routing_key": "PDSECRET",
    "description": "{{ .CommonLabels.model }} on {{ .GroupLabels.desk }}",
    "severity": '{{ if eq .CommonLabels.severity "critical" }}error{{ else }}info{{ end }}',
    "client": "desk {{ .Receiver }}",
    "client_url": "https://desk.example/{{ .CommonLabels.model }}",
    "component": "{{ .CommonLabels.model }}",
    "group": "rates",
    "class": "{{ .CommonLabels.alertname | toUpper }}",
    "details": {"firing": "{{ .Alerts.Firing | len }}", "since": '{{ (index .Alerts 0).StartsAt.Format "15:04" }}'},
    "links": [
        {"href": "https://wiki.example/{{ .CommonLabels.alertname }}", "text": "Wiki"},
        {"href": "{{ .CommonLabels.none }}", "text": "no address"},
        {"href": "javascript:alert(1)", "text": "no web address"},
    ],
    "images": [{"src": "https://desk.example/x.png", "alt": "Course", "href": "file:///x"}, {"alt": "no source"}],
}


def sent(http, message, **changes):
    """Return the event that a block sends."""
    fields = {**BLOCK, "url": http.url("/v2/enqueue"), **changes}
    PagerDutyChannel(fields, Secrets(place=PLACE, is_private=True), PLACE, NO_LIBRARY).send(message, **WAIT)
    event = http.requests[-1].json
    jsonschema.validate(event, PAGERDUTY)
    return event


def test_an_event_has_the_words_of_its_block(http):
    event = sent(http, a_message(group_labels={"desk": "rates"}))
    payload, ours = event["payload"], pagerduty_event(a_message(group_labels={"desk": "rates"}))["payload"]
    assert (payload["summary"], payload["severity"]) == ("spread on rates", "error")
    assert (payload["component"], payload["group"], payload["class"]) == ("spread", "rates", "GATE_FAILED")
    assert payload["custom_details"] == {**ours["custom_details"], "firing": "1", "since": "09:00"}
    assert (event["client"], event["client_url"]) == ("desk ops", "https://desk.example/spread")
    assert event["links"] == [{"href": "https://wiki.example/gate_failed", "text": "Wiki"}]
    assert event["images"] == [{"src": "https://desk.example/x.png", "alt": "Course"}]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"description": "{{ .CommonLabels.none }}"}, id="a text that is empty"),
        pytest.param({"severity": "page"}, id="a severity that PagerDuty does not know"),
        pytest.param({"description": "a " * 5_000, "class": "\x1b[2J\n" * 500}, id="texts that are too long"),
        pytest.param({"client_url": "x y", "links": [{"href": "https://x y/"}], "images": []}, id="no addresses"),
        pytest.param({"description": "{{ .Nope }}", "details": {"a": "{{ index .Alerts 7 }}"}}, id="failing templates"),
    ],
)
def test_whatever_the_words_are_the_event_has_the_documented_form(http, changes):
    event = sent(http, a_message(), **changes)
    assert event["payload"]["severity"] in ("error", "critical")
    assert "\x1b" not in str(event)


def test_an_event_that_resolves_has_no_words(http):
    assert sent(http, a_message(an_alert(state=AlertState.RESOLVED))).keys() == {
        "routing_key", "event_action", "dedup_key",
    }  # fmt: skip


def test_version_1_shows_links_and_images_as_contexts(http):
    fields = {**BLOCK, "service_key": "PDSECRET", "url": http.url("/create_event.json")}
    del fields["routing_key"]
    PagerDutyChannel(fields, Secrets(place=PLACE, is_private=True), PLACE).send(a_message(), **WAIT)
    event = http.requests[-1].json
    assert [context["type"] for context in event["contexts"]] == ["link", "image"]
    assert (event["description"], event["client_url"]) == ("spread on", "https://desk.example/spread")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"details": ["a"]}, "details must be `name: text` lines"),
        ({"links": {"href": "x"}}, "links must be a list of blocks"),
        ({"images": ["x"]}, "images must be a list of blocks"),
        ({"severity": ["a"]}, "severity must be text"),
    ],
)
def test_words_of_the_wrong_form_are_refused(changes, said):
    with pytest.raises(DeliveryError, match=f"^{PLACE}: {said}"):
        PagerDutyChannel({**BLOCK, **changes}, Secrets(place=PLACE, is_private=True), PLACE)


def test_a_template_that_cannot_be_filled_in_is_named():
    channel = PagerDutyChannel({**BLOCK, "group": "{{ .Nope }}"}, Secrets(place=PLACE, is_private=True), PLACE)
    assert len(channel.unused) == 1
    assert channel.unused[0].startswith("group (can't evaluate field Nope")


def test_blocks_and_lists_among_the_details_are_sent_as_json(http):
    details = {"of": {"model": "{{ .CommonLabels.model }}", "steps": [1, 2]}}
    event = sent(http, a_message(), details=details)
    assert event["payload"]["custom_details"]["of"] == '{"model": "spread", "steps": [1, 2]}'
