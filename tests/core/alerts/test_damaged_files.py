"""Rule files and routing files in which anything is damaged: they are read, or refused with a place; nothing else."""

from contextlib import suppress

import pytest
from hypothesis import given

from core.alerts.delivery.checking import check_receivers
from core.alerts.routing.reading import load_routing
from core.alerts.routing.shown import route_tree, tree_lines
from core.alerts.rule_files import check_rule_file
from core.errors import UsageError
from core.settings import AlertSettings
from core.state import Workspace
from tests.core.alerts.routing.test_reading import ALIASED as ALIASED_ROUTES
from tests.core.alerts.routing.test_reading import GOOD as ROUTES
from tests.core.alerts.rule_files.test_reading import ALIASED as ALIASED_RULES
from tests.core.alerts.rule_files.test_reading import GOOD as RULES
from tests.damage import damaged

RECEIVERS = """\
global: {smtp_smarthost: "localhost:25", smtp_from: a@b.example, http_config: &h {follow_redirects: no}}
route: {receiver: a}
receivers:
- name: a
  webhook_configs: [{url: "http://x/", max_alerts: 5, http_config: {<<: *h, basic_auth: {username: a, password: b}}}]
  email_configs: [{to: "{{ .GroupLabels.team }}@x.example", headers: {Subject: "{{ .Status }}"}, tls_config: {}}]
  slack_configs: [{api_url: "https://x/", channel: "#{{ .Receiver }}", username: b}]
  pagerduty_configs: [{service_key: k, http_config: {oauth2: {client_id: a, client_secret: b, token_url: "https://x/"}}}]
  opsgenie_configs: [{api_key: x}]
"""
pytestmark = pytest.mark.fuzz


@given(damaged(RULES) | damaged(ALIASED_RULES))
def test_a_damaged_rule_file_is_read_or_refused_with_places(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "damaged.rules.yaml"
    file.write_text(text, encoding="utf-8")
    read, faults = check_rule_file(file)
    assert (read is None) is bool(faults)
    assert all("line " in str(fault) for fault in faults)


@given(damaged(ROUTES) | damaged(ALIASED_ROUTES) | damaged(RECEIVERS))
def test_a_damaged_routing_file_is_read_or_refused(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "damaged.yaml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with suppress(UsageError):
        config = load_routing(file)
        list(tree_lines(route_tree(config, {"severity": "critical", "model": "spread"})))
        check_receivers(Workspace(file.parent), AlertSettings(), config)
