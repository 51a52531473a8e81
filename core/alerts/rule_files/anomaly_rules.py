"""The rules that fire on the recorded scores of models: one for each entry of `alerts.anomaly`."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from core.alerts.rule_files.rule_file import AlertingRule, RuleFile, RuleGroup
from core.errors import UsageError
from core.promql import Expression, PromqlError
from core.settings import AlertSettings
from core.settings.alert_anomaly import AnomalySettings

ANOMALY_FILE: Final = "alerts.anomaly"
"""Under this name the rules of the settings stand among the rule files."""
ANOMALY_GROUP: Final = "anomaly"
SCORE: Final = "bondx_anomaly_score"
DEVIATION: Final = "bondx_anomaly_deviation"
_STRANGE: Final = 2.5
_MOST_NAMED: Final = 3


def anomaly_rule_file(settings: AlertSettings) -> RuleFile:
    """Return the rules of the settings as a rule file.

    Raises:
        UsageError: An expression of a metric cannot be evaluated; the message names its place.
    """
    for position, rule in enumerate(settings.anomaly):
        for name, text in rule.metrics.items():
            try:
                Expression.parse(text)
            except PromqlError as error:
                raise UsageError(f"alerts.anomaly[{position}].metrics.{name}: {text!r}: {error}") from None
    rules = tuple(_rule(rule, position) for position, rule in enumerate(settings.anomaly))
    group = RuleGroup(name=ANOMALY_GROUP, rules=rules, interval=timedelta(minutes=1))
    return RuleFile(path=Path(ANOMALY_FILE), groups=(group,))


def _rule(rule: AnomalySettings, position: int) -> AlertingRule:
    query = (
        f'printf `(%s{{rule="{rule.name}",model=%q}} and topk({_MOST_NAMED}, abs(%s{{rule="{rule.name}",model=%q}}))) '
        f'and abs(%s{{rule="{rule.name}",model=%q}}) > {_STRANGE}` '
        f'"{DEVIATION}" $labels.model "{DEVIATION}" $labels.model "{DEVIATION}" $labels.model'
    )
    named = (
        "{{ with query (" + query + ") }}{{ range $i, $m := . }}{{ if $i }}, {{ end }}{{ $m.Labels.metric }} "
        '({{ printf "%+.1f" $m.Value }} σ){{ end }}{{ else }}no metric alone, but all of them together{{ end }}'
    )
    annotations = {
        "summary": "{{ $labels.model }} is unusual: " + named,
        "description": "Its metrics are unlike those of this hour of the week (score {{ $value | humanize }}, limit "
        "1). Look at the named metrics, and at what changed when it began.",
        "metrics": named,
    }
    if rule.runbook_url is not None:
        annotations["runbook_url"] = _plain(rule.runbook_url)
    labels = {name: _plain(text) for name, text in rule.labels.items()}
    return AlertingRule(
        name=rule.name,
        expression=Expression.parse(f'max by (model) ({SCORE}{{rule="{rule.name}"}}) > 1'),
        place=f"{ANOMALY_FILE}[{position}]",
        for_=timedelta(minutes=rule.for_minutes),
        keep_firing_for=timedelta(minutes=rule.keep_firing_minutes),
        labels=labels | {"severity": rule.severity},
        annotations=annotations,
    )


def _plain(text: str) -> str:
    """Return the template that expands to a text."""
    return text.replace("{{", '{{ "{{" }}')
