"""The files of `templates:` in a routing file."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from core.alerts.delivery.channels.alertmanager_json import webhook_document
from core.alerts.delivery.checking import check_receivers
from core.alerts.delivery.default_templates import DEFAULT_TEMPLATES
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.receivers import Receivers
from core.alerts.delivery.template_files import load_templates, template_files
from core.alerts.delivery.templates import TemplatedField
from core.alerts.routing.reading import load_routing
from core.errors import UsageError
from core.settings import AlertSettings
from core.settings.errors import SettingsError
from tests.core.alerts.delivery.told import a_message, an_alert

ROUTING = """
global: {slack_api_url: "https://hooks.slack.example/x"}
templates: [ours/*.tmpl, none.tmpl]
route: {receiver: desk}
receivers:
- name: desk
  slack_configs:
  - channel: '{{ template "desk.channel" . }}'
"""
DEBIANS = Path("/usr/share/prometheus/alertmanager/default.tmpl")
NAMES = [line.split('"')[1] for line in DEFAULT_TEMPLATES.splitlines() if line.startswith("{{ define")]


@pytest.fixture
def folder(tmp_path):
    """A folder with a routing file."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "a.tmpl").write_text('{{ define "desk.channel" }}#{{ template "team" . }}-alerts{{ end }}')
    (tmp_path / "ours" / "b.tmpl").write_text('{{ define "team" }}{{ .CommonLabels.model | toUpper }}{{ end }}')
    (tmp_path / "alertmanager.yml").write_text(ROUTING)
    (tmp_path / "alertmanager.yml").chmod(0o600)
    return tmp_path


def test_a_receiver_calls_a_template_of_a_file(folder, workspace):
    config = load_routing(folder / "alertmanager.yml")
    (channel,) = Receivers(workspace, AlertSettings(), config).channels("desk")
    assert channel.make()._channel.filled(a_message(an_alert())) == "#SPREAD-alerts"
    assert check_receivers(workspace, AlertSettings(), config) == [
        f"{config.file}:3:26: no file of templates has this name yet."
    ]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('{{ define "x" }}\n  {{ nope }}{{ end }}', "line 2, column 6", "function 'nope' not defined"),
        ('{{ define "x" }}\n\n{{ if }}{{ end }}{{ end }}', "line 3, column 7", "missing value"),
        ('{{ define "x" }}', "line 1, column 11", "not closed"),
        ('é{{ define "x" }}\n é {{ template "gone" . }}{{ end }}', "line 2, column 16", "'gone' is defined in no file"),
    ],
)
def test_a_faulty_file_is_refused_with_line_and_column(folder, text, place, said):
    (folder / "ours" / "c.tmpl").write_text(text)
    with pytest.raises(SettingsError) as raised:
        load_routing(folder / "alertmanager.yml")
    assert f"c.tmpl, {place}: " in str(raised.value)
    assert said in str(raised.value)


def test_a_fault_within_a_called_template_names_its_own_file(folder, workspace):
    (folder / "ours" / "b.tmpl").write_text('{{ define "team" }}\n{{ .Nope }}{{ end }}')
    config = load_routing(folder / "alertmanager.yml")
    with pytest.raises(UsageError, match=r"b\.tmpl:2:4: can't evaluate field Nope"):
        check_receivers(workspace, AlertSettings(), config)


def test_the_later_file_replaces_a_template_and_a_file_is_one_by_its_name(folder):
    (folder / "ours" / "c.tmpl").write_text('{{ define "team" }}late{{ end }}whole {{ .Receiver }}')
    library = load_templates(template_files([str(folder / "ours" / "*.tmpl")]))
    template = '{{ template "desk.channel" . }} {{ template "c.tmpl" . }}'
    assert TemplatedField(template, "x", "to", library=library).filled(a_message()) == "#late-alerts whole ops"
    with pytest.raises(DeliveryError, match="'gone' is not defined in the files of templates:"):
        TemplatedField('{{ template "gone" . }}', "x", "to", library=library)


@pytest.mark.skipif(not shutil.which("amtool"), reason="Alertmanager's amtool is not installed")
def test_the_real_tool_reads_the_same_files(folder):
    (folder / "ours" / "c.tmpl").write_text(
        '{{ define "team" }} {{- range .Alerts }}\n{{ template "one" . }}{{ end }}{{ end }}\n'
        '{{ define "one" }}{{ .Labels.model }} {{ block "inner" .Labels }}{{ .SortedPairs.Names }}{{ end }}{{ end }}\n'
        '{{ define "other" }}{{ . }}{{ end }} {{/* a comment */ -}} \n rest'
    )
    text = '{{ template "desk.channel" . }}|{{ template "c.tmpl" . }}|{{ template "other" 5 }}'
    library = load_templates(template_files([str(folder / "ours" / "*.tmpl")]))
    filled = TemplatedField(text, "x", "to", library=library).filled(a_message())
    assert filled == rendered(folder, "ours/*.tmpl", text)


@pytest.mark.skipif(not shutil.which("amtool") or not DEBIANS.exists(), reason="no templates of Alertmanager here")
@pytest.mark.parametrize("name", [name for name in NAMES if name in (DEBIANS.read_text() if DEBIANS.exists() else "")])
def test_the_templates_that_alertmanager_brings_write_the_same(folder, name):
    dot = ".Alerts" if name.endswith(("list", "markdown", "instances")) else "."
    text = f'{{{{ template "{name}" {dot} }}}}'
    filled = TemplatedField(text, "x", "to", library=load_templates([])).filled(a_message())
    assert filled == rendered(folder, str(DEBIANS), text)


def rendered(folder, files, text):
    """Return what amtool makes of a template."""
    document = webhook_document(a_message(), most_alerts=0)
    for told_of, alert in zip(document["alerts"], a_message().alerts, strict=True):
        told_of["annotations"] = alert.annotations
    document["commonAnnotations"] = a_message().common("annotations")
    (folder / "data.json").write_text(json.dumps(document))
    command = ["amtool", "template", "render", f"--template.glob={files}", "--template.data=data.json"]
    command.append(f"--template.text={text}")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_name_like_those_of_alertmanager_that_nobody_defines_fails_the_message_for_good(folder, workspace):
    (folder / "ours" / "b.tmpl").write_text('{{ define "team" }}{{ template "my.default.team" . }}{{ end }}')
    config = load_routing(folder / "alertmanager.yml")
    (channel,) = Receivers(workspace, AlertSettings(), config).channels("desk")
    with pytest.raises(DeliveryError, match=r"the template my\.default\.team is not defined") as refused:
        channel.make()._channel.filled(a_message(an_alert()))
    assert refused.value.is_permanent
