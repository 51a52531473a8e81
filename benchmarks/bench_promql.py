"""Evaluate 100 alert rules over 50 models each at one instant: 5,000 series in memory, of 20 to 240 samples.

python benchmarks/bench_promql.py [--rules 100] [--models 50] [--rounds 20]
"""

import argparse
import json

import numpy as np
from timing import quantiles, timed

from core.promql import Expression, SeriesInMemory, SeriesSamples

NOW = 1_800_000_000_000
STEP_MS = 15_000
SHAPES = [
    "{name} < 0.8",
    "rate({name}[5m]) > 0.1",
    "avg_over_time({name}[10m]) < bool 0.5",
    "max by (model) ({name}) > 0.9 and on (model) {name} > 0",
    "{name} < on (model) {other} - 0.05",
    'sum(increase({name}{{job=~"bondx-.*"}}[10m])) / 50 > 3',
    "quantile_over_time(0.9, {name}[10m]) > 0.99",
    "predict_linear({name}[30m], 3600) < 0",
    "changes({name}[15m]) > 2 or {name} == 0",
    "stddev_over_time({name}[15m]) / avg_over_time({name}[15m]) > 2",
]


def main() -> None:
    """Print the time of one round over all rules."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    random = np.random.default_rng(7)
    series = []
    for rule in range(arguments.rules):
        for model in range(arguments.models):
            n_samples = int(random.integers(20, 241))
            at_ms = NOW - STEP_MS * np.arange(n_samples - 1, -1, -1, dtype=np.int64)
            labels = {"__name__": f"bondx_measure_{rule}", "job": "bondx-engine", "model": f"model-{model}"}
            series.append(SeriesSamples(tuple(sorted(labels.items())), at_ms, random.random(n_samples).cumsum() % 1))
    source = SeriesInMemory(series)
    expressions = [
        Expression.parse(
            SHAPES[rule % len(SHAPES)].format(
                name=f"bondx_measure_{rule}", other=f"bondx_measure_{(rule + 1) % arguments.rules}"
            )
        )
        for rule in range(arguments.rules)
    ]

    def evaluate() -> None:
        for expression in expressions:
            expression.at(source, NOW)

    evaluate()
    durations = [timed(evaluate) for _ in range(arguments.rounds)]
    print(json.dumps({"series": len(series), "rules": len(expressions), "round_ms": quantiles(durations)}))


if __name__ == "__main__":
    main()
