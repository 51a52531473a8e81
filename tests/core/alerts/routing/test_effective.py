"""The configuration in force, with its secrets masked."""

import shutil
import subprocess

import pytest
import yaml

from core.alerts.routing.effective import effective_document, effective_text
from core.alerts.routing.reading import load_routing
from core.alerts.routing.shown import route_tree

FILE = """
global:
  smtp_smarthost: "mail.example:587"
  smtp_from: bondx@desk.example
  smtp_auth_username: bondx
  smtp_auth_password: 0123SECRET
  slack_api_url: https://hooks.slack.example/T0/SECRET
  http_config: {proxy_url: "http://ada:SECRET@proxy.example:3128"}
route:
  receiver: desk
  group_by: [alertname]
  group_wait: 10s
  routes:
  - matchers: ['severity=~"critical|warning"', 'team="é \\"x\\""']
    receiver: night
    continue: true
    repeat_interval: 90m
  - {matchers: [a!=b], mute_time_intervals: [nights]}
receivers:
- name: desk
  email_configs: [{to: desk@desk.example}]
  slack_configs:
  - channel: "#desk"
    http_config:
      basic_auth: {username: ada, password_file: /etc/bondx/password}
- name: night
  pagerduty_configs: [{routing_key: SECRET, http_config: {bearer_token: SECRET}, details: {token: SECRET, note: night}}]
  webhook_configs:
  - url: https://hook.example/SECRET
    http_config:
      oauth2:
        client_id: bondx
        client_secret: SECRET
        token_url: https://login.example/token
        endpoint_params: {assertion: SECRET}
inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [model]}]
time_intervals:
- {name: nights, time_intervals: [{times: [{start_time: "17:00", end_time: "24:00"}], weekdays: [monday:friday]}]}
templates: [nothing-*.tmpl]
"""


@pytest.fixture
def config(tmp_path):
    """A configuration with secrets of every kind."""
    file = tmp_path / "alertmanager.yml"
    file.write_text(FILE)
    return load_routing(file)


def test_no_secret_is_shown_and_what_is_taken_over_is(config):
    text = effective_text(config)
    assert "SECRET" not in text
    document = yaml.safe_load(text)
    assert document == effective_document(config)
    mail, slack = (document["receivers"][0][kind][0] for kind in ("email_configs", "slack_configs"))
    assert mail == {
        "from": "bondx@desk.example", "smarthost": "mail.example:587", "auth_username": "bondx",
        "auth_password": "<secret>", "to": "desk@desk.example",
    }  # fmt: skip
    assert document["global"]["http_config"] == {"proxy_url": "http://ada:xxxxx@proxy.example:3128"}
    assert slack["api_url"] == "<secret>"
    assert slack["http_config"]["basic_auth"] == {"username": "ada", "password_file": "/etc/bondx/password"}
    assert document["route"]["routes"][0]["group_wait"] == "10s"
    assert document["receivers"][1]["webhook_configs"][0]["url"] == "https://hook.example/<secret>"
    assert document["receivers"][1]["pagerduty_configs"][0]["details"]["note"] == "night"


def test_a_variable_of_the_environment_is_no_secret(tmp_path):
    file = tmp_path / "alertmanager.yml"
    file.write_text("route: {receiver: a}\nreceivers: [{name: a, pagerduty_configs: [{routing_key: '${KEY}'}]}]")
    assert effective_document(load_routing(file))["receivers"][0]["pagerduty_configs"] == [{"routing_key": "${KEY}"}]


def test_it_is_read_as_the_same_routing(config, tmp_path):
    again = tmp_path / "again.yml"
    again.write_text(effective_text(config))
    read = load_routing(again)
    assert route_tree(read) == route_tree(config)
    assert (read.inhibit_rules, read.time_intervals) == (config.inhibit_rules, config.time_intervals)
    assert effective_document(read) == effective_document(config)


def test_a_quoted_name_of_a_label_stays_quoted(tmp_path):
    file = tmp_path / "alertmanager.yml"
    file.write_text("""
route:
  receiver: desk
  routes: [{matchers: ['"équipe du desk"!="x"'], receiver: desk}]
receivers: [{name: desk}]
""")
    config = load_routing(file)
    file.write_text(effective_text(config))
    assert load_routing(file).route.routes[0].matchers == config.route.routes[0].matchers


@pytest.mark.skipif(not shutil.which("amtool"), reason="Alertmanager's amtool is not installed")
def test_the_real_tool_takes_it(config, tmp_path):
    (tmp_path / "again.yml").write_text(effective_text(config))
    checked = subprocess.run(["amtool", "check-config", "again.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_keys_that_newer_alertmanagers_take_in_the_file_itself_are_masked(tmp_path):
    file = tmp_path / "alertmanager.yml"
    oauth2 = "{client_id: x, token_url: https://login.example, client_secret: SECRET, tls_config: {key: SECRET}}"
    file.write_text(
        "global: {http_config: {tls_config: {cert: public, key: SECRET}}}\nroute: {receiver: desk}\n"
        "receivers:\n- name: desk\n  webhook_configs:\n"
        f"  - {{url: https://x.example, http_config: {{oauth2: {oauth2}}}}}\n"
    )
    text = effective_text(load_routing(file))
    assert "public" in text
    assert "SECRET" not in text
