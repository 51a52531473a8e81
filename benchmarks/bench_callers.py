"""False verdicts by minutes that one caller fills, and by bursts of rows; and what it costs to leave them out.

    python benchmarks/bench_callers.py [--runs 20] [--reference 5000]

The 27 columns of `bench_sequential.py`, live for six hours without drift. Then one caller adds rows for some minutes
that have a level of their own in every column; or all columns move for good; or one column moves, after a burst of rows
without drift or without one.
"""

import argparse
from collections.abc import Mapping
from datetime import UTC

import numpy as np
from bench_sequential import POPULATION, Shares
from drift_populations import Drift, instants, reference

from core.monitoring.sequential import streams as streams_of_versions
from core.monitoring.sequential.scores import neyman_scores
from core.monitoring.sequential.sequential_drift import BinnedMinute, SequentialDrift
from core.monitoring.sequential.streams import Streams
from core.monitoring.verdicts import DriftVerdict

LIVE = 360  # minutes before
AFTER = 30  # minutes after a batch
FOLLOWED = 120  # minutes after a move
BATCHES = (  # sd of the levels, minutes, rows a minute of all, rows a minute of the caller
    (0.3, 3, 100, 5_000),
    (0.15, 3, 100, 5_000),
    (0.3, 5, 100, 300),
    (0.5, 5, 20, 100),
    (0.3, 10, 100, 1_000),
    (0.3, 10, 10, 200),
    (0.3, 19, 100, 1_000),
    (0.3, 30, 100, 1_000),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--reference", type=int, default=5_000, help="rows")
    args = parser.parse_args()
    streams_of_versions.MOST_KNOWN = 400
    rng = np.random.default_rng([1, args.reference, 79])
    streams = Streams(reference(POPULATION, args.reference, rng, timed=True))
    for level, minutes, rate, own in BATCHES:
        found = [batch(streams, k, level, minutes, rate, own) for k in range(args.runs)]
        alarms = sum(each is DriftVerdict.ALARM for each in found)
        print(
            f"one caller, level {level:g} sd, {minutes} minutes x {own:,} rows beside {rate}: a verdict in "
            f"{sum(each is not None for each in found)} of {args.runs}, an alarm in {alarms}",
            flush=True,
        )
    for level in (0.3, 0.5):
        for rate in (20, 100, 1_000):
            print(f"all columns move by {level:g} sd, {rate:,} rows a minute: ", end="")
            print(said([all_columns(streams, k, level, rate) for k in range(args.runs)]), flush=True)
    for burst in (0, 30_000):
        for shift in (0.5, 1.0):
            print(
                f"one column moves by {shift:g} sd at 20 rows a minute, 12 minutes after 3 x {burst:,} rows: ", end=""
            )
            print(said([after_burst(streams, k, shift, burst) for k in range(args.runs)]), flush=True)


def said(minutes: list[float]) -> str:
    """Return the median and the range of the minutes to a verdict."""
    there = [each for each in minutes if np.isfinite(each)]
    span = f"{min(there):g} to {max(there):g}, median {np.median(minutes):g}" if there else "-"
    return f"minutes {span} ({len(there)} of {len(minutes)} within {FOLLOWED} minutes)"


def levels(streams: Streams, rng: np.random.Generator, level: float) -> dict:
    """Return by column how much likelier each cell is where the column has a level of its own."""
    found = {}
    for layout in streams.columns:
        own = np.ones(layout.width)
        if layout.is_number and layout.n_values > 1:
            usual = layout.within(layout.reference).astype(float)
            moved = np.exp(level * rng.normal() * neyman_scores(usual / usual.sum())[0])
            own[: layout.n_values], own[layout.outside] = moved, moved[[0, -1]]
        elif not layout.is_number:
            own[: layout.n_values] = np.exp(level * rng.normal(size=layout.n_values))
        found[layout.key] = own
    return found


def tilted(shares: Mapping, own: Mapping) -> dict:
    """Return the shares of rows that have levels of their own."""
    found = {key: shares[key] * own[key] for key in shares}
    return {key: each / each.sum() for key, each in found.items()}


def drawn(rng: np.random.Generator, rate: int, shares: Mapping) -> dict:
    """Return the counts of a minute."""
    return {key: rng.multinomial(rate, each) for key, each in shares.items()}


def batch(streams: Streams, number: int, level: float, minutes: int, rate: int, own_rate: int) -> DriftVerdict | None:
    """Return the gravest verdict on a batch of one caller, and on the minutes after it."""
    rng = np.random.default_rng([number, minutes, 5])
    drift, usual, own = SequentialDrift(streams), Shares(streams, None), levels(streams, rng, level)
    gravest = None
    for n, at in enumerate(instants((LIVE + minutes + AFTER) / 1440, 1)):
        shares = usual.at(at, 0.0)
        counts = drawn(rng, rate, shares)
        if LIVE <= n < LIVE + minutes:
            added = drawn(rng, own_rate, tilted(shares, own))
            counts = {key: counts[key] + added[key] for key in counts}
        drift.observe([BinnedMinute(at.replace(tzinfo=UTC), counts)])
        drift.judge_findings()
        found = {each.verdict for each in drift.state.findings.values()}
        if found and gravest is not DriftVerdict.ALARM:
            gravest = DriftVerdict.ALARM if DriftVerdict.ALARM in found else DriftVerdict.WATCH
    return gravest


def all_columns(streams: Streams, number: int, level: float, rate: int) -> float:
    """Return the minutes from a move of all columns for good to the first verdict."""
    rng = np.random.default_rng([number, 6])
    drift, usual, own = SequentialDrift(streams), Shares(streams, None), levels(streams, rng, level)
    for n, at in enumerate(instants((LIVE + FOLLOWED) / 1440, 1)):
        shares = usual.at(at, 0.0)
        counts = drawn(rng, rate, tilted(shares, own) if n >= LIVE else shares)
        drift.observe([BinnedMinute(at.replace(tzinfo=UTC), counts)])
        if drift.state.findings:
            return n - LIVE + 1
    return np.inf


def after_burst(streams: Streams, number: int, shift: float, burst: int) -> float:
    """Return the minutes from a move of one column to its verdict, after three minutes of many rows."""
    rng = np.random.default_rng([number, 11])
    drift, usual = SequentialDrift(streams), Shares(streams, None)
    moved, begins = Shares(streams, ("normal_0", Drift(shift=shift))), LIVE + 15
    for n, at in enumerate(instants((begins + FOLLOWED) / 1440, 1)):
        shares = (moved if n >= begins else usual).at(at, np.inf)
        counts = drawn(rng, burst if burst and LIVE <= n < LIVE + 3 else 20, shares)
        drift.observe([BinnedMinute(at.replace(tzinfo=UTC), counts)])
        if any(streams.streams[k].key[1] == "normal_0" for k in drift.state.findings):
            return n - begins + 1
    return np.inf


if __name__ == "__main__":
    main()
