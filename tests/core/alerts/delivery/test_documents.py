"""The documents of Slack, PagerDuty and Teams, held against what their documentation says of them."""

import json

import jsonschema
import pytest

from core.alerts import AlertState
from core.alerts.delivery.channels.pagerduty import dedup_key, pagerduty_event
from core.alerts.delivery.channels.slack import mrkdwn, slack_document
from core.alerts.delivery.channels.teams import teams_document
from core.alerts.delivery.message import MessageStatus
from tests.core.alerts.delivery.told import Block, a_message, an_alert, receivers_of

TEXT = {"type": "string", "minLength": 1}
SLACK = {
    "type": "object",
    "required": ["text", "attachments"],
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 40_000},
        "channel": TEXT,
        "attachments": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["blocks"],
                "properties": {
                    "color": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                    "blocks": {
                        "type": "array",
                        "maxItems": 50,
                        "items": {
                            "oneOf": [
                                {
                                    "required": ["text"],
                                    "properties": {
                                        "type": {"const": "header"},
                                        "text": {
                                            "properties": {
                                                "type": {"const": "plain_text"},
                                                "text": {"type": "string", "minLength": 1, "maxLength": 150},
                                            }
                                        },
                                    },
                                },
                                {
                                    "required": ["text"],
                                    "properties": {
                                        "type": {"const": "section"},
                                        "text": {
                                            "properties": {
                                                "type": {"enum": ["mrkdwn", "plain_text"]},
                                                "text": {"type": "string", "minLength": 1, "maxLength": 3000},
                                            }
                                        },
                                    },
                                },
                                {"properties": {"type": {"const": "divider"}}, "maxProperties": 1},
                                {
                                    "required": ["elements"],
                                    "properties": {
                                        "type": {"const": "context"},
                                        "elements": {"type": "array", "minItems": 1, "maxItems": 10},
                                    },
                                },
                            ]
                        },
                    },
                },
            },
        },
    },
}
PAGERDUTY = {
    "type": "object",
    "required": ["event_action", "dedup_key"],
    "properties": {
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "maxLength": 255},
        "client": TEXT,
        "links": {"type": "array", "items": {"required": ["href"], "properties": {"href": TEXT, "text": TEXT}}},
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": TEXT,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$"},
                "component": TEXT,
                "group": TEXT,
                "class": TEXT,
                "custom_details": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
}
TEAMS = {
    "type": "object",
    "required": ["type", "attachments"],
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["contentType", "content"],
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "content": {
                        "required": ["type", "version", "body"],
                        "properties": {
                            "type": {"const": "AdaptiveCard"},
                            "version": {"const": "1.4"},
                            "body": {"items": {"properties": {"type": {"enum": ["TextBlock", "FactSet"]}}}},
                        },
                    },
                },
            },
        },
    },
}
HOSTILE = "<!channel> *bold* [x](http://evil) \x1b[2J & " + "long " * 2000
MESSAGES = {
    "one": a_message(),
    "ended": a_message(an_alert(state=AlertState.RESOLVED)),
    "hostile": a_message(an_alert(summary=HOSTILE, advice=HOSTILE, labels={"model": HOSTILE})),
    "many": a_message(*(an_alert(f"rule_{n}", summary=HOSTILE, advice=HOSTILE) for n in range(300))),
}


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(
    ("make", "schema"), [(slack_document, SLACK), (pagerduty_event, PAGERDUTY), (teams_document, TEAMS)]
)
def test_a_document_has_the_documented_form(make, schema, name):
    document = make(MESSAGES[name])
    jsonschema.validate(document, schema)
    text = json.dumps(document)
    assert "\\u001b" not in text
    assert len(text) < 512 << 10  # of PagerDuty; Slack's and Teams' own limits are in the schemas and below


def test_a_card_is_as_long_as_teams_takes():
    assert len(json.dumps(teams_document(MESSAGES["many"]))) < 28 << 10


def test_slack_makes_no_mention_and_no_formatting_of_a_text():
    text = json.dumps(slack_document(MESSAGES["hostile"]))
    assert "<!channel>" not in text
    assert mrkdwn("a *b*") != "a *b*"


def test_one_incident_is_triggered_acknowledged_and_resolved_by_one_key():
    from msgspec.structs import replace

    fires = a_message()
    taken = replace(fires, status=MessageStatus.ACKNOWLEDGED)
    ends = a_message(an_alert(state=AlertState.RESOLVED))
    events = [pagerduty_event(message) for message in (fires, taken, ends)]
    assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in events} == {dedup_key(fires)}


def test_slacks_api_refuses_with_http_200(workspace, outbox, sender_of, http):
    http.usual.body = b'{"ok": false, "error": "channel_not_found"}'
    fields = {"app_token": "${SLACK_TOKEN}", "app_url": http.url("/api/chat.postMessage"), "channel": "#desk"}
    receivers = receivers_of(workspace, Block("slack_configs", fields))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLACK_TOKEN", "xoxb-0123456789")
        (queued,) = outbox.enqueue(a_message(), [each.target for each in receivers.channels("ops")])
        assert not sender_of(receivers).send(queued)
    assert http.requests[0].headers["authorization"] == "Bearer xoxb-0123456789"
    assert outbox.all()[0].attempts[0].detail == "Slack refused: channel_not_found."


def test_pagerduty_gets_its_key_from_a_private_file(workspace, outbox, sender_of, http, tmp_path):
    (key := tmp_path / "key").write_text("R0123456789ABCDEF\n")
    receivers = receivers_of(
        workspace, Block("pagerduty_configs", {"routing_key_file": str(key), "url": http.url("/v2/enqueue")})
    )
    (queued,) = outbox.enqueue(a_message(), [each.target for each in receivers.channels("ops")])
    key.chmod(0o644)
    assert not sender_of(receivers).send(queued)
    assert outbox.all()[0].attempts[0].detail.endswith(f"others can read {key} (routing_key_file): chmod 600 it.")
    key.chmod(0o600)
    assert sender_of(receivers).send(queued)
    assert http.requests[0].json["routing_key"] == "R0123456789ABCDEF"
