"""The shipped rules and many more over a day with gaps, resets and restarts: firing intervals as in Prometheus.

Each change of what fires is looked at from both sides: one interval after it at the latest, Prometheus has made it,
too, and one interval before it at the earliest, Prometheus has not.
"""

import itertools
import random
import shutil
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
import yaml

from core.alerts.evaluation.replay import ReplaySpan, replay
from core.alerts.ready_made import READY_MADE_FILE
from core.alerts.rule_files import load_rule_file
from core.promql import STALE, SeriesInMemory, SeriesSamples

SCRAPE_MS, STEP_SECONDS = 14_001, 30
"""Prometheus 2 closes ranges on the left, Prometheus 3 and we do not. Odd milliseconds: no scrape lies on an edge."""
DAY_SECONDS = 86_400
N_SCRAPES = DAY_SECONDS * 1000 // SCRAPE_MS
N_STEPS = DAY_SECONDS // STEP_SECONDS
_MOST_CHANGES = 40
_LONG_OUTAGE = 60

MORE = """\
groups:
  - name: more
    rules:
      - {record: "model:rows:rate5m", expr: "sum by (model) (rate(bondx_predict_rows_total[5m]))"}
      - {alert: Recorded, expr: "model:rows:rate5m < 0.35", for: 2m}
      - {alert: MaxOverTime, expr: "max_over_time(bondx_drift_psi[10m]) > 0.33", for: 5m}
      - {alert: MinOverTime, expr: "min_over_time(bondx_drift_psi[10m]) > 0.2"}
      - {alert: AvgOverTime, expr: "avg_over_time(bondx_machine_disk_full_days[30m]) < 8", keep_firing_for: 10m}
      - {alert: QuantileOverTime, expr: "quantile_over_time(0.8, bondx_drift_psi[20m]) > 0.3", for: 1m}
      - {alert: Changes, expr: "changes(bondx_engine_up[30m]) > 1"}
      - {alert: Resets, expr: "resets(bondx_predict_rows_total[1h]) > 0"}
      - {alert: Increase, expr: "increase(bondx_predict_failures_total[10m]) > 60", for: 3m}
      - {alert: Delta, expr: "delta(bondx_machine_memory_used_bytes[15m]) > 5"}
      - {alert: Predicted, expr: "predict_linear(bondx_machine_disk_full_days[30m], 3600) < 2", for: 2m}
      - {alert: Deriv, expr: "deriv(bondx_machine_memory_used_bytes[10m]) > 0.01"}
      - {alert: Absent, expr: 'absent(bondx_predict_rows_total{model="m1"})', for: 1m}
      - {alert: AbsentOverTime, expr: 'absent_over_time(bondx_ready[4m])'}
      - {alert: Unless, expr: "bondx_drift_psi > 0.25 unless on (model) bondx_model_health == 1", for: 90s}
      - {alert: Quotient, expr: "bondx_machine_memory_used_bytes / bondx_machine_memory_total_bytes > 0.8", for: 5m}
      - {alert: Offset, expr: "bondx_drift_psi - bondx_drift_psi offset 1h > 0.2", for: 1m}
      - {alert: Subquery, expr: "max_over_time(rate(bondx_predict_failures_total[3m])[20m:1m]) > 0.1"}
      - {alert: TopK, expr: "topk(1, bondx_drift_psi) > 0.35", for: 1m}
      - {alert: Counted, expr: "count by (type) (bondx_drift_psi > 0.25) >= 2", for: 2m}
      - {alert: Bool, expr: "sum(bondx_drift_psi > bool 0.25) > 2"}
      - {alert: Deviating, expr: "stddev by (type) (bondx_drift_psi) > 0.12", for: 2m}
      - {alert: HourOfDay, expr: "bondx_drift_psi > 0.3 and on () hour() >= 12"}
      - {alert: Replaced, expr: 'label_replace(bondx_drift_psi, "desk", "$1", "model", "m(.)") > 0.4'}
"""


def wander(chance: random.Random, low: float, high: float, step: float) -> Iterator[float]:
    """Walk within bounds."""
    value = chance.uniform(low, high)
    while True:
        value = min(high, max(low, value + chance.uniform(-step, step)))
        yield round(value, 4)


def flip(chance: random.Random, up: float, down: float) -> Iterator[float]:
    """Be 0, and 1 at times."""
    is_on = False
    while True:
        is_on = chance.random() >= down if is_on else chance.random() < up
        yield 1.0 if is_on else 0.0


def opposite(values: Iterator[float]) -> Iterator[float]:
    """Be 1, and 0 at times."""
    return (1.0 - value for value in values)


def count(chance: random.Random, most: float) -> Iterator[float]:
    """Count, now and then from 0 again, in calm and busy times."""
    value, busy = 0.0, flip(chance, 0.005, 0.02)
    while True:
        value = 0.0 if chance.random() < 0.0008 else value + chance.uniform(0, most) * (6 if next(busy) else 1)
        yield round(value, 2)


def buckets(chance: random.Random) -> list[list[float]]:
    """Count answers up to four bounds; now and then they are slow, and now and then all counters begin anew."""
    totals, slow, found = [0.0] * 4, flip(chance, 0.002, 0.01), [[], [], [], []]
    for _ in range(N_SCRAPES):
        if chance.random() < 0.0008:
            totals = [0.0] * 4
        shares = (0.3, 0.5, 0.8, 1.0) if next(slow) else (0.7, 0.98, 1.0, 1.0)
        n = chance.randrange(100, 200)
        totals = [total + int(share * n) for total, share in zip(totals, shares, strict=True)]
        for values, total in zip(found, totals, strict=True):
            values.append(total)
    return found


def progress(chance: random.Random) -> Iterator[float]:
    """Tell the time of the newest epoch, which is late at times."""
    now, at = 0.0, 0.0
    while True:
        at = now if chance.random() < 0.002 else at
        yield at
        now += SCRAPE_MS / 1000


def families(chance: random.Random) -> Iterator[tuple[dict[str, str], Iterator[float]]]:
    """Yield the labels and values of each series that the shipped rules look at."""

    def named(name: str, values: Iterator[float], /, **labels: str) -> tuple[dict[str, str], Iterator[float]]:
        return {"__name__": name, **labels}, values

    def rarely() -> Iterator[float]:
        return flip(chance, 0.002, 0.006)

    for model in ("m1", "m2"):
        of = {"model": model, "version": "1.0.0"}
        for kind, feature in (("feature", "a"), ("feature", "b"), ("prediction", "prediction")):
            yield named("bondx_drift_psi", wander(chance, 0, 0.45, 0.012), **of, type=kind, feature=feature)
        for kind, feature in (("feature", "a"), ("prediction", "prediction")):
            verdict = flip(chance, 0.01, 0.005)
            yield named("bondx_drift_verdict", verdict, **of, type=kind, feature=feature, verdict="alarm")
        for metric, source in (("accuracy", "outcomes"), ("accuracy", "estimate"), ("mae", "outcomes")):
            values = wander(chance, 0.8, 1.1, 0.01)
            yield named("bondx_model_performance", values, **of, metric=metric, source=source)
        yield named("bondx_baseline_accuracy", wander(chance, 0.95, 1, 0.001), **of)
        yield named("bondx_baseline_mae", wander(chance, 0.8, 0.85, 0.001), **of)
        for reason in ("performance", "staleness"):
            yield named("bondx_model_health_reason", rarely(), **of, source=reason)
        yield named("bondx_model_health", rarely(), **of, state="failing")
        yield named("bondx_predict_failures_total", count(chance, 0.8), **of)
        yield named("bondx_predict_seconds_count", count(chance, 10), **of)
        yield named("bondx_predict_rows_total", count(chance, 10), **of)
        yield named("bondx_predict_unfamiliar_values_total", count(chance, 1), **of, field="a")
        for edge, values in zip(("0.1", "0.5", "1.0", "+Inf"), buckets(chance), strict=True):
            yield named("bondx_predict_seconds_bucket", iter(values), **of, le=edge)
        yield named("bondx_version_load_failed", rarely(), **of)
        yield named("bondx_rollout_phase", rarely(), model=model, rollout="ro-1", phase="inconclusive")
        yield named("bondx_rollout_stuck", rarely(), model=model, rollout="ro-1")
        of = {"session": model}
        yield named("bondx_session_quality_ratio", wander(chance, 0.85, 1, 0.01), **of)
        yield named("bondx_session_gate_failed", rarely(), **of, gate="spread")
        yield named("bondx_session_progress_timestamp_seconds", progress(chance), **of)
        yield named("bondx_session_phase", opposite(rarely()), **of, phase="running")
    for mode, most in (("idle", 2.0), ("user", 4.0)):
        yield named("bondx_machine_cpu_seconds_total", count(chance, most), mode=mode)
    yield named("bondx_drift_budget_left_alerts", wander(chance, -2, 3, 0.4))
    yield named("bondx_machine_memory_used_bytes", wander(chance, 50, 95, 0.8))
    yield named("bondx_machine_memory_total_bytes", wander(chance, 100, 100, 0))
    yield named("bondx_machine_disk_free_bytes", wander(chance, 2, 25, 0.5))
    yield named("bondx_machine_disk_used_bytes", wander(chance, 75, 98, 0.5))
    yield named("bondx_machine_disk_full_days", wander(chance, 2, 12, 0.2))
    for name in ("bondx_ready", "bondx_engine_up", "bondx_telemetry_up", "bondx_live_up", "bondx_workspace_writable"):
        yield named(name, opposite(rarely()))
    yield named("bondx_state_problems", rarely())
    limits = {"cpu_percent_max": 80, "memory_percent_max": 85, "disk_percent_max": 90, "disk_full_days": 7}
    for name, limit in (limits | {"quality_min": 0.9, "stalled_hours": 2}).items():
        yield named("bondx_alert_limit", wander(chance, limit, limit, 0), name=name)


def outages(chance: random.Random) -> Iterator[float | None]:
    """Yield 0 while there are scrapes; in an outage None, at times after a marker of the end of the series.

    One outage is so long that the newest sample is no longer looked at.
    """
    yield from itertools.repeat(0.0, chance.randrange(N_SCRAPES // 2))
    yield from itertools.repeat(None, _LONG_OUTAGE)
    while True:
        if chance.random() >= 0.001:
            yield 0.0
            continue
        yield STALE if chance.random() < 0.5 else None
        for _ in range(chance.choice([1, 1, 3, 20, 40, 90]) - 1):
            yield None


def day(seed: int) -> list[tuple[dict[str, str], list[float | None]]]:
    """Make a day of series: single scrapes that fail, outages with and without a marker of the end, restarts.

    The buckets of a histogram are scraped together: half of one would be as no process shows it.
    """
    chance = random.Random(seed)
    made = []
    missing: dict[tuple[str, ...], list[float | None]] = {}
    for labels, values in families(chance):
        whole = tuple(value for name, value in labels.items() if name != "le")
        if whole not in missing:
            missing[whole] = list(itertools.islice(outages(chance), N_SCRAPES))
        made.append(
            (labels, [value if is_out == 0 else is_out for value, is_out in zip(values, missing[whole], strict=False)])
        )
    return made


def in_memory(series: list[tuple[dict[str, str], list[float | None]]]) -> SeriesInMemory:
    made = []
    for labels, values in series:
        there = [(i * SCRAPE_MS, value) for i, value in enumerate(values) if value is not None]
        at_ms, numbers = zip(*there, strict=True)
        made.append(SeriesSamples(tuple(sorted(labels.items())), np.array(at_ms), np.array(numbers)))
    return SeriesInMemory(made)


def notation(labels: dict[str, str]) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{pairs}}}"


def value_text(value: float | None) -> str:
    if value is None:
        return "_"
    return "stale" if np.isnan(value) else repr(value)


@pytest.mark.journey
@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_firing_intervals_of_the_shipped_and_other_rules_agree_with_prometheus_over_a_day(tmp_path):
    (tmp_path / "more.yaml").write_text(MORE, encoding="utf-8")
    (tmp_path / "shipped.yaml").write_bytes(READY_MADE_FILE.read_bytes())
    series = day(seed=24)  # on which every rule fires
    source = in_memory(series)
    span = ReplaySpan(0, (N_STEPS - 1) * STEP_SECONDS * 1000, STEP_SECONDS * 1000)
    files = [load_rule_file(tmp_path / name) for name in ("shipped.yaml", "more.yaml")]
    alerts = [alert for file in files for alert in replay(file, source, span)]
    fired = {alert.rule for alert in alerts if alert.firings}
    names = {rule.name for file in files for rule in file.rules if not hasattr(rule, "record")} - {"model:rows:rate5m"}
    assert names <= fired, f"these rules never fire: {sorted(names - fired)}"

    tests, n_sure = [], 0
    for name in sorted(names):
        firing: list[set[str]] = [set() for _ in range(N_STEPS)]
        for alert in alerts:
            if alert.rule != name:
                continue
            text = notation({"__name__": "ALERTS", "alertname": name, "alertstate": "firing", **alert.labels})
            for each in alert.firings:
                first = round(each.from_.timestamp()) // STEP_SECONDS
                end = N_STEPS if each.until is None else round(each.until.timestamp()) // STEP_SECONDS
                for step in range(first, end):
                    firing[step].add(text)
        changes = [step for step in range(1, N_STEPS) if firing[step] != firing[step - 1]]
        chosen = changes[:: max(1, len(changes) // _MOST_CHANGES)]
        near = {step + shift for step in chosen for shift in (-2, 1)} | set(range(100, N_STEPS, 400))
        for step in sorted(near):
            if 0 < step < N_STEPS - 1 and firing[step - 1] == firing[step] == firing[step + 1]:
                n_sure += 1
                expected = [{"labels": text, "value": 1} for text in sorted(firing[step])]
                tests.append(
                    {
                        "expr": f'ALERTS{{alertname="{name}", alertstate="firing"}}',
                        "eval_time": f"{step * STEP_SECONDS}s",
                        "exp_samples": expected,
                    }
                )
    assert n_sure > 20 * len(names)
    inputs = [{"series": notation(labels), "values": " ".join(map(value_text, values))} for labels, values in series]
    suite = {
        "rule_files": ["shipped.yaml", "more.yaml"],
        "evaluation_interval": f"{STEP_SECONDS}s",
        "tests": [{"interval": f"{SCRAPE_MS}ms", "input_series": inputs, "promql_expr_test": tests}],
    }
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite, width=10**9), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "suite.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:6_000]
