"""A value that may be a secret is refused by its place and its key, and never repeated."""

import pytest

from core.settings import load_settings
from core.settings.errors import SettingsError

SECRET = "PDSECRET1234"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param(
            "alerts: {channels: {hook: ['slakk:SECRET']}}", r"alerts.channels.hook\[0\]: expected", id="scheme"
        ),
        pytest.param(
            "alerts: {channels: {hook: ['https://h/SECRET']}}", r"apprise:\$", id="an address without apprise"
        ),
        pytest.param(
            "alerts: {channels: {hook: 'https://h/SECRET'}}", "alerts.channels.hook: expected a list", id="item"
        ),
        pytest.param("alerts: {channels: 'https://h/SECRET'}", "alerts.channels: expected lines", id="channels"),
        pytest.param("alerts: {channels: ['https://h/SECRET']}", "alerts.channels: expected lines", id="a list"),
        pytest.param("alerts: {alertmanagers: ['ftp://u:SECRET@h']}", r"alertmanagers\[0\]: expected an add", id="ftp"),
        pytest.param(
            "alerts: {alertmanagers: 'http://u:SECRET@h'}", "alerts.alertmanagers: expected a list", id="text"
        ),
        pytest.param("webhooks: [{name: a, url: [http://u:SECRET@h]}]", "url", id="url in brackets"),
        pytest.param("webhooks: ['http://u:SECRET@h']", r"webhooks\[0\]?", id="webhook as text"),
        pytest.param("webhooks: [{name: a, url: 'http://h', secret_env: 'SECRET!'}]", "secret_env", id="the secret"),
        pytest.param("backup: {to: ../safe, key_env: 'SECRET!'}", "backup.key_env", id="the key of backups"),
        pytest.param("backup: {to: ../safe, key_file: [SECRET]}", "backup.key_file", id="the key in brackets"),
        pytest.param("telemetry: {otlp: {endpoint: 'http://u:SECRET@h:1'}}", "otlp.endpoint: expected", id="endpoint"),
        pytest.param("telemetry: {otlp: 'http://u:SECRET@h:1'}", "telemetry.otlp: expected lines", id="otlp as text"),
        pytest.param(
            "telemetry: {otlp: {endpoint: 'http://h:1', headers: {a: 'Bearer SECRET'}}}", "otlp.headers.a", id="header"
        ),
        pytest.param(
            "telemetry: {otlp: {endpoint: 'http://h:1', headers: {'': 'SECRET', 'SECRET\\n': '${A}'}}}",
            "otlp.headers",
            id="header as key",
        ),
    ],
)
def test_a_setting_that_may_hold_a_secret_is_not_repeated(tmp_path, text, where):
    file = tmp_path / "bondx.yaml"
    file.write_text(text.replace("SECRET", SECRET), encoding="utf-8")
    with pytest.raises(SettingsError, match=where) as refused:
        load_settings(file)
    assert "line 1" in str(refused.value)
    assert SECRET not in str(refused.value)
