"""Evaluate 100 alert rules over 50 models each as the engine does: from the store of series to the states of alerts.

python benchmarks/bench_alert_rules.py [--rules 100] [--models 50] [--rounds 20]
"""

import argparse
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from timing import quantiles, timed

from core.alerts.evaluation.group import evaluate_group
from core.alerts.evaluation.rule_state import RuleState
from core.alerts.evaluation.source import RecordedSource
from core.alerts.rule_files import load_rule_file
from core.state import Workspace
from core.telemetry.metrics import MetricWriter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHAPES = [
    "{name} > 0.95",
    "rate({name}[5m]) > 0.1",
    "avg_over_time({name}[10m]) > 0.6",
    "max by (model) ({name}) > 0.9 and on (model) {name} > 0",
    "{name} < on (model) {other} - 0.9",
]


def main() -> None:
    """Print the time of one evaluation of all rules."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        workspace.metrics_file.parent.mkdir(parents=True)
        writer = MetricWriter(workspace.metrics_file, lambda: NOW, job="bondx-engine", instance="host")
        n_scrapes = 60
        for scrape in range(n_scrapes):
            families = []
            for rule in range(arguments.rules):
                family = GaugeMetricFamily(f"bondx_measure_{rule}", "", labels=("model",))
                for model in range(arguments.models):
                    family.add_metric((f"model-{model}",), (scrape * 0.013 + rule * 0.37 + model * 0.21) % 1)
                families.append(family)
            writer.record(NOW - timedelta(seconds=15 * (n_scrapes - scrape - 1)), families)
        writer.close()
        lines = ["groups:", "  - name: all", "    rules:"]
        for rule in range(arguments.rules):
            names = {"name": f"bondx_measure_{rule}", "other": f"bondx_measure_{(rule + 1) % arguments.rules}"}
            lines += [
                f"      - alert: Rule{rule}",
                f"        expr: {SHAPES[rule % len(SHAPES)].format(**names)}",
                "        for: 1m",
                "        labels: {severity: warning}",
            ]
        file = Path(folder) / "rules.yaml"
        file.write_text("\n".join(lines), encoding="utf-8")
        (group,) = load_rule_file(file).groups
        source = RecordedSource(workspace, lambda: NOW)
        states = [RuleState() for _ in group.rules]
        at_ms = round(NOW.timestamp() * 1000)

        def evaluate() -> None:
            outcome = evaluate_group(group, source, at_ms, lambda _: True)
            assert not outcome.errors, outcome.errors
            for position, found in outcome.found.items():
                states[position].advance(found, at_ms, for_ms=60_000, keep_ms=lambda _: 0)

        first = timed(evaluate)
        durations = [timed(evaluate) for _ in range(arguments.rounds)]
        n_active = sum(len(state.active) for state in states)
        source.close()
    figures = {"rules": arguments.rules, "models": arguments.models, "active": n_active, "first_ms": round(first, 1)}
    print(json.dumps(figures | quantiles(durations)))


if __name__ == "__main__":
    main()
