"""The verdict on prompts of a model of language: false alarms in a year of daily looks, and days to find a move.

    PYTHONPATH=. python benchmarks/bench_prompt_drift.py [--runs 40]

Callers have prompts of their own, half of whose variance is the caller's; 600 prompts a day, 400 held-out documents.
The populations are those of `tests/core/monitoring/simulated_prompts.py`.
"""

import argparse
from dataclasses import replace

import numpy as np

from tests.core.monitoring.simulated_prompts import Senders, Watched, watched

YEAR, BEFORE, AFTER = 360, 14, 28
UNCHANGED = {
    "300 callers": Senders(),
    "300, by Zipf's law": Senders(volume="zipf"),
    "300, three send 90 %": Senders(volume="heavy"),
    "300, the three 3 sd away": Senders(volume="heavy", of_heavy=True),
    "40, three send 90 % and are 3 sd away": Senders(n=40, volume="heavy", of_heavy=True),
    "100, .9 of the variance is theirs": Senders(n=100, alike=0.9),
    "30, .9 of the variance is theirs": Senders(n=30, alike=0.9),
    "300, .36 sd away, all harmless": Senders(shift=0.36),
}
MOVED = {
    "300 callers": Senders(shift=1.0),
    "300, by Zipf's law": Senders(shift=1.0, volume="zipf"),
    "300, three send 90 %": Senders(shift=1.0, volume="heavy"),
    "1,000, of whom 180 ask in a day": Senders(n=1_000, daily=200, shift=1.0),
    "150 callers": Senders(n=150, shift=1.0),
    "100 callers": Senders(n=100, shift=1.0),
    "60 callers": Senders(n=60, shift=1.0),
    "60 callers, 2 sd": Senders(n=60, shift=2.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    args = parser.parse_args()
    for name, senders in UNCHANGED.items():
        found = simulated(replace(senders, days=YEAR), args.runs)
        alarms = sum(each.alarms for each in found)
        in_line, too_few = (np.mean([getattr(each, of) for each in found]) for of in ("stable", "open"))
        print(
            f"{name}: {alarms} false alarms in {args.runs} years, in line on {in_line:.0%} of the days, too few "
            f"callers on {too_few:.0%}",
            flush=True,
        )
    for name, senders in MOVED.items():
        found = simulated(replace(senders, days=BEFORE + AFTER, from_day=BEFORE), args.runs)
        days = sorted(each.first for each in found if each.first is not None)
        median = f", median {days[len(days) // 2]} days" if days else ""
        print(f"{name}, all moved: found within {AFTER} days in {len(days) / args.runs:.0%}{median}", flush=True)


def simulated(senders: Senders, n: int) -> list[Watched]:
    return [watched(senders, np.random.default_rng([k, senders.n, 83])) for k in range(n)]


if __name__ == "__main__":
    main()
