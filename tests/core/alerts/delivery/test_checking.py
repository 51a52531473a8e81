"""A receiver that can never be told is refused by the checks, with its place; nothing is sent."""

import pytest

from core.alerts.delivery.checking import check_names, check_receivers
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
    def checked(block, *, mode=0o600, channels=None):
        file = workspace.root / "routing.yaml"
        file.write_text(GOOD.replace("BLOCK", block), encoding="utf-8")
        file.chmod(mode)
        check_receivers(workspace, AlertSettings(channels=channels or {}), load_routing(file), file)

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
