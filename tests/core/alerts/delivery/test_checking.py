"""A receiver that can never be told is refused by the checks, with its place; nothing is sent."""

import pytest

from core.alerts.delivery.checking import check_names, check_receivers
from core.alerts.delivery.receivers import Receivers
from core.alerts.routing.reading import load_routing
from core.errors import UsageError
from core.settings import AlertSettings
from core.settings.load import load_settings

GOOD = """\
route: {receiver: desk}
receivers:
  - name: desk
    BLOCK
"""


@pytest.fixture
def check(workspace):
    def checked(block, *, mode=0o600, channels=None, alertmanagers=()):
        file = workspace.root / "routing.yaml"
        file.write_text(GOOD.replace("BLOCK", block), encoding="utf-8")
        file.chmod(mode)
        settings = AlertSettings(channels=channels or {}, alertmanagers=alertmanagers)
        return check_receivers(workspace, settings, load_routing(file))

    return checked


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        pytest.param("pagerduty_configs: [{routing_key: [PDSECRET]}]", "routing_key must be text", id="a list"),
        pytest.param("slack_configs: [{api_url: 'PDSECRET url'}]", "api_url must be an address", id="no address"),
        pytest.param("webhook_configs: [{url: 'file:///PDSECRET'}]", "url must be an address", id="a file"),
        pytest.param("webhook_configs: [{url: 'http://x:99999/'}]", "url must be an address", id="a port"),
        pytest.param("webhook_configs: [{url_file: /dev/zero}]", "a device", id="a device"),
        pytest.param("webhook_configs: [{}]", "a webhook needs url", id="nothing"),
        pytest.param("webhook_configs: [{url: 'http://x/', http_config: PDSECRET}]", "wrong form", id="http_config"),
        pytest.param("webhook_configs: [{url: 'http://x/', max_alerts: PDSECRET}]", "wrong form", id="a number"),
        pytest.param(
            "webhook_configs: [{url: 'http://x/', http_config: {proxy_url: 'ftp://PDSECRET'}}]", "proxy_url", id="proxy"
        ),
        pytest.param(
            "email_configs: [{to: a@b.c, from: a@b.c, smarthost: 'h:25', auth_password: {x: PDSECRET}}]",
            "auth_password must be text",
            id="a mapping",
        ),
        *(
            pytest.param(f"email_configs: [{{to: '{to}', from: a@b.c, smarthost: 'h:25'}}]", "to of a mail", id=to)
            for to in ("@b.example", "a@.example", "a", "a b@c.d", "")
        ),
        pytest.param("msteamsv2_configs: [{webhook_url: teams}]", "webhook_url must be an address", id="teams"),
    ],
)
def test_a_block_that_can_never_work_is_refused_with_its_place(check, block, problem):
    with pytest.raises(UsageError, match=rf"routing.yaml:4:\d+: .*{problem}") as refused:
        check(block)
    assert "PDSECRET" not in str(refused.value)


def test_a_secret_in_a_file_that_others_can_read_is_refused(check):
    block = "slack_configs: [{api_url: 'https://hooks.example/PDSECRET'}]"
    check(block)
    with pytest.raises(UsageError, match="chmod 600") as refused:
        check(block, mode=0o644)
    assert "PDSECRET" not in str(refused.value)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param("slack_configs: [{api_url: '${NO_SUCH_VARIABLE}'}]", id="a variable that is not set here"),
        pytest.param("webhook_configs: [{url_file: /nowhere/url}]", id="a file that is not here"),
        pytest.param("opsgenie_configs: [{api_key: x}]", id="a kind for the Alertmanager"),
        pytest.param("webhook_configs: [{url: 'http://localhost:5001/a'}]", id="an address"),
    ],
)
def test_what_may_work_where_the_engine_runs_is_accepted(check, block):
    check(block)


@pytest.mark.filterwarnings("ignore:'.*' is deprecated and slated for removal:DeprecationWarning")
@pytest.mark.parametrize("address", ["apprise:zzz://host", "apprise:nothing"])
def test_an_address_that_apprise_does_not_know_is_refused(check, monkeypatch, address):
    monkeypatch.setenv("CHECKED_ADDRESS", address.removeprefix("apprise:"))
    with pytest.raises(UsageError, match=r"alerts\.channels of desk"):
        check("webhook_configs: []", channels={"desk": ["apprise:${CHECKED_ADDRESS}"]})
    check("webhook_configs: []", channels={"desk": ["apprise:${NO_SUCH_VARIABLE}", "console:"]})


@pytest.mark.parametrize("address", ["http://u:PDSECRET@h:99999", "http://h:0", "http://:1"])
def test_an_alertmanager_without_a_usable_port_is_refused_when_the_settings_are_read(tmp_path, address):
    file = tmp_path / "bondx.yaml"
    file.write_text(f"alerts: {{alertmanagers: ['{address}']}}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 1.*alertmanagers\[0\] must be an address") as refused:
        load_settings(file)
    assert "PDSECRET" not in str(refused.value)


def test_a_password_of_an_alertmanager_must_come_from_the_environment(workspace):
    check_receivers(workspace, AlertSettings(alertmanagers=["http://u:${PASSWORD}@h:9093", "http://h:9093"]))
    with pytest.raises(UsageError, match=r"alerts\.alertmanagers\[0\]: .*\$\{VARIABLE\}") as refused:
        check_receivers(workspace, AlertSettings(alertmanagers=["http://u:PDSECRET@h:9093"]))
    assert "PDSECRET" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("heartbeat: {receiver: nigt}", "alerts.heartbeat: there is no receiver 'nigt'", id="heartbeat"),
        pytest.param("delivery: {fallover: [nigt]}", "alerts.delivery.fallover: there is no", id="fallover"),
        pytest.param(
            "escalation: [{steps: [{after_minutes: 5, receivers: [nigt]}]}]", "a step after 5 minutes", id="a step"
        ),
        pytest.param(
            "{escalation: [{steps: [{after_minutes: 5, oncall: desk}]}], oncall: {desk: {people: [nigt], "
            "time_zone: UTC, starts_on: '2026-01-01'}}}",
            "the rotation desk",
            id="a rotation",
        ),
    ],
)
def test_a_receiver_that_does_not_exist_is_refused_where_the_settings_name_it(workspace, text, problem):
    def settings(name):
        block = text.replace("nigt", name)
        block = block if block.startswith("{") else f"{{{block}}}"
        block = block[:-1] + ", channels: {night: ['console:']}}"
        workspace.settings_file.write_text(f"alerts: {block}\n", encoding="utf-8")
        return load_settings(workspace.settings_file).alerts

    check_names(workspace, settings("night"), None)
    with pytest.raises(UsageError, match=problem) as refused:
        check_names(workspace, settings("nigt"), None)
    assert str(refused.value).endswith("the receivers are night, consoles.")


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        pytest.param(
            "slack_configs: [{api_url: 'https://x/', chanel: a}]", "'chanel'.*did you mean channel", id="slip"
        ),
        pytest.param("webhook_configs: [{url: 'https://x/', http_config: {proxy: a}}]", "http_config.proxy", id="http"),
        pytest.param(
            "email_configs: [{to: '{{ .Nope }}', from: a@b.c, smarthost: 'h:25'}]", "template of to", id="field"
        ),
        pytest.param(
            "slack_configs: [{api_url: 'https://x/', channel: '{{ x }}'}]", "template of channel", id="channel"
        ),
        pytest.param(
            "email_configs: [{to: '{{ template \"desk.to\" . }}', from: a@b.c, smarthost: 'h:25'}]",
            "desk.to",
            id="a file",
        ),
        pytest.param("pagerduty_configs: [{routing_key: a, service_key: b}]", "there are both", id="two keys"),
        pytest.param("pagerduty_configs: [{}]", "there is none", id="no key"),
        pytest.param(
            "webhook_configs: [{url: 'https://x/', http_config: {oauth2: {client_id: a, token_url: 'https://x/'}}}]",
            "oauth2 needs client_id, client_secret",
            id="oauth2",
        ),
        pytest.param(
            "webhook_configs: [{url: 'https://x/', http_config: {bearer_token: b, oauth2: {client_id: a}}}]",
            "oauth2 and another login",
            id="two logins",
        ),
    ],
)
def test_a_key_on_which_nothing_can_be_sent_is_refused_with_its_place(check, block, problem):
    with pytest.raises(UsageError, match=rf"routing.yaml:4:\d+: .*{problem}"):
        check(block)


def test_what_bondx_does_not_send_is_said_with_its_place(check):
    block = "opsgenie_configs: [{api_key: OGSECRET}]\n    telegram_configs: [{chat_id: 5}]"
    told = check(block)
    assert [note.partition("routing.yaml")[2].split(": ")[:2] for note in told] == [
        [":4:24", "opsgenie_configs"], [":5:24", "telegram_configs"],
    ]  # fmt: skip
    assert all("so this fails" in note and "alerts.channels" in note for note in told)
    assert "OGSECRET" not in "".join(told)
    assert "stand for it" in check(block, channels={"desk": ["console:"]})[0]
    assert "the Alertmanager of alerts.alertmanagers does" in check(block, alertmanagers=["http://a:9093"])[0]


def test_keys_that_bondx_does_not_act_on_are_said_with_their_place(check):
    block = """slack_configs:
    - api_url: https://x/
      title: a
      username: '{{ template "desk.name" . }}'
      http_config: {enable_http2: true, no_proxy: a, tls_config: {server_name: b, insecure_skip_verify: yes}}"""
    unused, of_template = check(block)
    (files,) = check("webhook_configs: [{url: 'https://x/'}]\ntemplates: ['*.tmpl']")
    assert files.endswith("routing.yaml:5:13: no file of templates has this name yet.")
    assert unused.endswith(
        "routing.yaml:5:7: not used by BondX: title, http_config.no_proxy, http_config.tls_config.server_name"
    )
    assert "routing.yaml:5:7: not used by BondX: username (template 'desk.name' is not defined" in of_template


def test_a_kind_that_bondx_does_not_send_is_left_to_the_alertmanager(workspace):
    file = workspace.root / "routing.yaml"
    file.write_text(GOOD.replace("BLOCK", "opsgenie_configs: [{}]\n    webhook_configs: [{url: 'https://x/'}]"))
    with_one = AlertSettings(alertmanagers=["http://a:9093"])
    for settings, kinds in ((AlertSettings(), ["opsgenie", "webhook"]), (with_one, ["webhook"])):
        channels = Receivers(workspace, settings, load_routing(file)).channels("desk")
        assert [channel.target.kind for channel in channels] == kinds


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            "escalation: [{severity: critical, steps: [{after_minutes: 0, receivers: [desk]}]}]",
            "sends nothing to the receiver",
        ),
        ("heartbeat: {receiver: desk}", "alerts.heartbeat: BondX sends nothing"),
    ],
)
def test_a_receiver_that_is_left_to_an_alertmanager_hears_of_no_step_and_no_heartbeat(workspace, settings, problem):
    (workspace.root / "routing.yaml").write_text(GOOD.replace("BLOCK", "opsgenie_configs: [{}]"))
    workspace.settings_file.write_text(f"alerts:\n  alertmanagers: ['http://a:9093']\n  {settings}\n")
    routing = load_routing(workspace.root / "routing.yaml")
    with pytest.raises(UsageError, match=problem):
        check_names(workspace, load_settings(workspace.settings_file).alerts, routing)
