"""No secret of a channel is in the workspace, whatever goes wrong."""

import logging

import pytest

from core.alerts.delivery.secret import Secrets
from core.settings import AlertSettings
from tests.alert_receivers import Answer
from tests.core.alerts.delivery.told import Block, a_message, receivers_of

TOKEN = "T0K3N-with-/slash&and%20more-0123456789"


@pytest.fixture
def blocks(http, tmp_path):
    (private := tmp_path / "private").write_text(f"{http.url('/services/')}{TOKEN}")
    private.chmod(0o600)
    return [
        Block("slack_configs", {"api_url_file": str(private)}),
        Block("msteamsv2_configs", {"webhook_url": f"{http.url('/t/')}${{TOKEN}}"}),
        Block("webhook_configs", {"url": "http://user:${TOKEN}@" + http.url("/hook").removeprefix("http://")}),
        Block("webhook_configs", {"url": "gopher://${TOKEN}"}),
        Block("webhook_configs", {"url": "http://[${TOKEN}"}),
        Block("pagerduty_configs", {"routing_key": "${TOKEN}", "url": http.url("/pd")}),
        Block(
            "webhook_configs",
            {"url": http.url("/auth"), "http_config": {"authorization": {"credentials": "${TOKEN}"}}},
        ),
        Block(
            "email_configs",
            {
                "to": "a@example.com",
                "from": "b@example.com",
                "smarthost": f"127.0.0.1:{http.port}",
                "auth_password": "${TOKEN}",
            },
        ),
        Block("slack_configs", {"api_url": f"https://hooks.example/{TOKEN}"}),  # in a file that others can read
    ]


def test_no_file_of_the_workspace_and_no_log_holds_a_secret(
    workspace, outbox, sender_of, http, blocks, monkeypatch, caplog, clock
):
    monkeypatch.setenv("TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    settings = AlertSettings(channels={"ops": ["apprise:json://127.0.0.1:1/${TOKEN}", "apprise:nonsense://${TOKEN}"]})
    receivers = receivers_of(workspace, *blocks, settings=settings)
    # The server repeats all that it got: path, headers and body.
    http.choose = lambda got: Answer(403, body=f"{got.path} {got.headers} {got.body[:500]!r}".encode())
    sender = sender_of(receivers)
    impatient = sender_of(receivers, timeout_seconds=2.0)  # of a web server a mail gets no answer
    for delivery in outbox.enqueue(a_message(), [each.target for each in receivers.channels("ops")]):
        assert not (impatient if "email" in delivery.channel else sender).send(delivery)
    assert len(http.requests) >= 4
    assert all(delivery.attempts[-1].result == "failed" for delivery in outbox.all())
    words = [TOKEN, TOKEN.replace("%20", " "), TOKEN.partition("/")[0], "more-0123456789"]
    for path in workspace.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in words if word.encode() in content], path
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("core")]
    assert not [line for line in ours for word in words if word in line]


def test_a_secret_in_a_file_that_others_can_read_is_refused_and_not_repeated():
    from core.alerts.delivery.errors import DeliveryError

    secrets = Secrets(place="alertmanager.yml:3:5", is_private=False)
    with pytest.raises(DeliveryError, match="chmod 600 it, use api_url_file, or write") as refused:
        secrets.field({"api_url": TOKEN}, "api_url")
    assert TOKEN not in str(refused.value)


def test_a_variable_that_is_not_set_is_named():
    from core.alerts.delivery.errors import DeliveryError

    secrets = Secrets(place="here", is_private=True, environ={})
    with pytest.raises(DeliveryError, match=r"here: api_url needs \$NOWHERE, which is not set"):
        secrets.field({"api_url": "https://x/${NOWHERE}"}, "api_url")
