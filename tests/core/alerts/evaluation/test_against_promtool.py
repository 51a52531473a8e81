"""The same rules and the same day of series fire in Prometheus when they fire here, to one evaluation interval."""

import random
import shutil
import subprocess

import numpy as np
import pytest
import yaml

from core.alerts.evaluation.group import evaluate_group
from core.alerts.evaluation.replay import ReplaySpan, replay
from core.alerts.evaluation.rule_state import RuleState
from core.alerts.rule_files import load_rule_file
from core.promql import STALE, SeriesInMemory, SeriesSamples

STEP_MS = 15_000
N_STEPS = 5_760
"""A day."""
RULES = """\
groups:
  - name: agreement
    interval: 15s
    rules:
      - record: model:psi:max
        expr: max by (model) (psi)
      - alert: Moved
        expr: model:psi:max > 0.25
        for: 2m
        labels: {severity: warning, team: "{{ $labels.model }}-desk"}
      - alert: MovedAtOnce
        expr: psi > 0.4
      - alert: Kept
        expr: psi > 0.4
        for: 1m
        keep_firing_for: 3m
      - alert: Failing
        expr: rate(failures_total[4m52s]) / rate(requests_total[4m52s]) > 0.2
        for: 1m
      - alert: Gone
        expr: absent(psi{model="m1"})
        for: 5m
      - alert: LongHigh
        expr: avg_over_time(psi[9m53s]) > 0.3 and on (model) rate(requests_total[4m52s]) > 0.2
        for: 90s
"""


def day() -> list[tuple[dict[str, str], list[float | None]]]:
    """Make a day of series: gauges that wander, counters that reset, gaps of scrapes, markers of ends."""
    chance = random.Random(11)
    series = []
    for model in ("m1", "m2", "m3"):
        psi, requests, failures = 0.2, 0.0, 0.0
        rows: dict[str, list[float | None]] = {"psi": [], "requests_total": [], "failures_total": []}
        gap, is_bad = 0, False
        for _ in range(N_STEPS):
            psi = min(0.7, max(0.0, psi + chance.uniform(-0.03, 0.03)))
            is_bad = chance.random() < (0.99 if is_bad else 0.003)
            if chance.random() < 0.001:  # a restart
                requests = failures = 0.0
            requests += chance.randrange(10)
            failures += chance.randrange(6) if is_bad else 0
            if gap == 0 and chance.random() < 0.003:
                gap = chance.choice([1, 2, 7, 25, 60])
                ends = chance.random() < 0.5
                for values in rows.values():
                    values.append(STALE if ends else None)
                continue
            for name, value in (("psi", round(psi, 4)), ("requests_total", requests), ("failures_total", failures)):
                rows[name].append(None if gap else value)
            gap = max(0, gap - 1)
        series += [({"__name__": name, "model": model}, values) for name, values in rows.items()]
    return series


def in_memory(series) -> SeriesInMemory:
    made = []
    for labels, values in series:
        there = [(i * STEP_MS, value) for i, value in enumerate(values) if value is not None]
        at_ms, numbers = zip(*there, strict=True)
        made.append(SeriesSamples(tuple(sorted(labels.items())), np.array(at_ms), np.array(numbers)))
    return SeriesInMemory(made)


def notation(value: float | None) -> str:
    if value is None:
        return "_"
    return "stale" if np.isnan(value) else repr(value)


@pytest.fixture
def rule_file(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


def firing_at(alerts, step: int) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return what fires after the evaluation of a step."""
    at = step * STEP_MS / 1000
    return {
        (alert.rule, tuple(sorted(alert.labels.items())))
        for alert in alerts
        for firing in alert.firings
        if firing.from_.timestamp() <= at and (firing.until is None or at < firing.until.timestamp())
    }


@pytest.mark.journey
@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_firing_agrees_with_prometheus_to_one_interval_over_a_day(rule_file, tmp_path):
    series = day()
    alerts = replay(load_rule_file(rule_file), in_memory(series), ReplaySpan(0, (N_STEPS - 1) * STEP_MS, STEP_MS))
    n_firings = {}
    for alert in alerts:
        n_firings[alert.rule] = n_firings.get(alert.rule, 0) + len(alert.firings)
    assert set(n_firings) == {"Moved", "MovedAtOnce", "Kept", "Failing", "Gone", "LongHigh"}
    assert min(n_firings.values()) >= 1

    ours = [firing_at(alerts, step) for step in range(N_STEPS)]
    sure = [step for step in range(1, N_STEPS - 1) if ours[step - 1] == ours[step] == ours[step + 1] and step % 3 == 0]
    assert len(sure) > N_STEPS / 4
    tests = [
        {
            "eval_time": f"{step * STEP_MS // 1000}s",
            "alertname": name,
            "exp_alerts": [{"exp_labels": dict(labels)} for rule, labels in sorted(ours[step]) if rule == name],
        }
        for step in sure
        for name in n_firings
    ]
    suite = {
        "rule_files": [rule_file.name],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    {
                        "series": f'{labels["__name__"]}{{model="{labels["model"]}"}}',
                        "values": " ".join(map(notation, values)),
                    }
                    for labels, values in series
                ],
                "alert_rule_test": tests,
            }
        ],
    }
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite, width=10**9), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "suite.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:3_000]


def test_the_replay_is_what_the_engine_does_step_by_step(rule_file):
    source, (group,) = in_memory(day()), load_rule_file(rule_file).groups
    n_steps = 500
    alerts = replay(load_rule_file(rule_file), source, ReplaySpan(0, (n_steps - 1) * STEP_MS, STEP_MS))
    states = {position: RuleState() for position, rule in enumerate(group.rules)}
    recorded = {}
    for step in range(n_steps):
        at_ms = step * STEP_MS
        outcome = evaluate_group(group, source, at_ms, lambda _: True)
        assert outcome.errors == {}
        for position, found in outcome.found.items():
            rule = group.rules[position]
            states[position].advance(
                found,
                at_ms,
                for_ms=round(rule.for_.total_seconds() * 1000),
                keep_ms=lambda _, rule=rule: round(rule.keep_firing_for.total_seconds() * 1000),
            )
        firing = {
            (group.rules[position].name, labels)
            for position, state in states.items()
            for labels, alert in state.active.items()
            if alert.is_firing
        }
        assert firing == firing_at(alerts, step)
        recorded[step] = firing
    assert any(recorded.values())
