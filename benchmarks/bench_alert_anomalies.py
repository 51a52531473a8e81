"""How many injected anomalies are found, at how many false alarms a day, and what that costs.

python benchmarks/bench_alert_anomalies.py [--models 20] [--history 14] [--days 8]

Each model has a history without anomalies, then days with two anomalies a day, learnt anew each day as the engine does.
An anomaly is found if an alert fires within it. An alert that fires outside all of them, and more than 20 minutes after
the last, is a false alarm.
"""

import argparse
import json
import time

import numpy as np
from timing import quantiles, timed

from core.alerts.anomaly.baseline import DAY_MS
from core.alerts.anomaly.detector import AnomalyDetector, firing_steps
from tests.model_days import METRICS, START_MS, ModelDays, model_days

FOR, KEEP = 5, 15
_AFTER = 20


def main() -> None:
    """Print the figures of the simulation as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--history", type=int, default=14)
    parser.add_argument("--days", type=int, default=8)
    arguments = parser.parse_args()
    by_kind: dict[str, list[bool]] = {}
    false_alarms, named, fits, judged = [], [], [], []
    for seed in range(arguments.models):
        days = model_days(seed, arguments.history + arguments.days, arguments.history)
        fired: list[int] = []
        for day in range(arguments.history, arguments.history + arguments.days):
            detector, seconds = learnt(days, day, arguments.history)
            fits.append(seconds * 1000)
            first = int(np.searchsorted(days.at_ms, START_MS + day * DAY_MS))
            end = int(np.searchsorted(days.at_ms, START_MS + (day + 1) * DAY_MS))
            part = slice(first - 30, end)
            scores, deviations = detector.scores(days.at_ms[part], days.values[part])
            minutes = (days.at_ms[part] - START_MS) // 60_000
            fires = [step for step in firing_steps(scores > 1, FOR).tolist() if step >= 30]
            fired += minutes[fires].tolist()
            named += [
                culprits(kind) & {METRICS[i] for i in np.argsort(-np.abs(deviations[step]))[:3]} != set()
                for step in fires
                if (kind := kind_at(days, int(minutes[step]))) is not None
            ]
            last = slice(end - 5, end)
            judged += [timed(detector.judge, days.at_ms[last], days.values[last]) for _ in range(5)]
        for each in days.injected:
            is_found = any(each.start <= minute < each.end for minute in fired)
            by_kind.setdefault(each.kind, []).append(is_found)
        false_alarms.append(n_false(days, fired) / arguments.days)
    found = [each for kind in by_kind.values() for each in kind]
    figures = {
        "models": arguments.models,
        "injected": len(found),
        "found_share": round(float(np.mean(found)), 4),
        "found_by_kind": {kind: f"{sum(each)}/{len(each)}" for kind, each in sorted(by_kind.items())},
        "false_alarms_a_day": {
            "mean": round(float(np.mean(false_alarms)), 3),
            "worst_model": round(max(false_alarms), 3),
        },
        "culprit_named_share": round(float(np.mean(named)), 4),
        "fit_ms": quantiles(fits),
        "judge_ms": quantiles(judged),
    }
    print(json.dumps(figures, indent=2))


def learnt(days: ModelDays, day: int, n_days: int) -> tuple[AnomalyDetector, float]:
    """Learn the days before a day; the seconds of processor time with it."""
    first, end = (int(np.searchsorted(days.at_ms, START_MS + each * DAY_MS)) for each in (day - n_days, day))
    began = time.process_time()
    detector = AnomalyDetector.fit(
        days.at_ms[first:end], days.values[first:end], for_steps=FOR, keep_steps=KEEP, alarms_a_day=1.0
    )
    assert detector is not None
    return detector, time.process_time() - began


def kind_at(days: ModelDays, minute: int) -> str | None:
    """Return the kind of the anomaly at a minute."""
    return next((each.kind for each in days.injected if each.start <= minute < each.end), None)


def culprits(kind: str) -> set[str]:
    """Return the metrics that an anomaly moves itself."""
    return {
        "errors": {"error_ratio"},
        "slow": {"latency_p95_seconds"},
        "traffic_gone": {"predictions_per_minute"},
        "traffic_surge": {"predictions_per_minute", "latency_p95_seconds"},
        "predictions_shifted": {"prediction_mean"},
        "values_missing": {"missing_ratio"},
        "drift": {"drift_psi"},
        "several": {"error_ratio", "latency_p95_seconds", "prediction_mean"},
    }[kind]


def n_false(days: ModelDays, fired: list[int]) -> int:
    """Count the alarms that no anomaly explains; those that `keep_firing` joins are one."""
    unexplained = [
        minute for minute in fired if not any(each.start <= minute < each.end + _AFTER for each in days.injected)
    ]
    return int(bool(unexplained)) + int((np.diff(unexplained) > KEEP + 1).sum())


if __name__ == "__main__":
    main()
