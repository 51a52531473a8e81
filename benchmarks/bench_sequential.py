"""False alarms and delays of the sequential drift verdict, beside ADWIN, Page-Hinkley and a fixed PSI.

    python benchmarks/bench_sequential.py [--months 1000] [--trials 20] [--references 1000,5000,20000] [--rate 2]

Months without drift: 25 mixed columns, predictions and residuals, seasons by hour and weekday, each month with a
reference of its own. Delays: a drift begins a day and a half after the version; rows from then until the verdict, which
is at least watch. ADWIN and Page-Hinkley follow the numbers of each column row by row, in river's implementations and
with its settings (`pip install river`); the PSI of each whole day is compared with 0.2. They are run on the same rows.

First minutes (`--starts N`): versions that just went live, at 100 rows a minute, single or in requests of ten equal
rows: verdicts without drift within an hour. Then (`--trials`) minutes to a verdict on a move of one column, by its size
and by how long the version was live before.
"""

import argparse
import copy
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from drift_populations import (
    STILL,
    Column,
    Drift,
    Levels,
    Numbers,
    columns,
    instants,
    probabilities,
    reference,
    residuals,
)

from core.intervals.shares import exact_interval
from core.monitoring.data_profile import DataProfile
from core.monitoring.drift import population_stability_index
from core.monitoring.sequential import streams as streams_of_versions
from core.monitoring.sequential.sequential_drift import BinnedMinute, SequentialDrift
from core.monitoring.sequential.streams import Streams
from core.monitoring.verdicts import DriftVerdict

POPULATION = columns()
ALL: dict[str, Column] = {each.name: each for each in (*POPULATION, probabilities(), residuals())}
BEGINS_DAY = 1.5
DRIFTS: dict[str, tuple[str, Drift]] = {
    "0.1 sd": ("normal_0", Drift(shift=0.1)),
    "0.2 sd": ("normal_0", Drift(shift=0.2)),
    "0.3 sd": ("normal_0", Drift(shift=0.3)),
    "0.3 sd, seasonal column": ("wave", Drift(shift=0.3)),
    "spread x 1.5": ("normal_0", Drift(spread=1.5)),
    "a new level, 5 %": ("sector", Drift(new_level=0.05)),
    "empty cells + 10 %": ("some_empty", Drift(emptied=0.1)),
    "calibration: log odds + 0.5": ("residual", Drift()),
}
SHIFTS = (0.3, 0.5, 1.0, 2.0)  # standard deviations
LIVE_MINUTES = (0, 2, 60, 1_440)  # before the move
FOLLOWED_MINUTES = 240  # after it
MISCALIBRATED = residuals(offset=0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=1_000)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--references", default="1000,5000,20000")
    parser.add_argument("--rate", type=int, default=2, help="rows a minute")
    parser.add_argument("--lives", type=int, default=1, help="months that share a reference")
    parser.add_argument("--first", type=int, default=0, help="number of the first month")
    parser.add_argument("--untimed", action="store_true", help="references without a column of times")
    parser.add_argument("--starts", type=int, default=0, help="versions whose first hour is followed")
    parser.add_argument("--start-rate", type=int, default=100, help="rows a minute of these")
    args = parser.parse_args()
    streams_of_versions.MOST_KNOWN = 400  # every hour of a week, since months return to it
    sizes = [int(size) for size in args.references.split(",")]
    for n in sizes if args.starts else ():
        first_minutes(n, args.starts, args.trials, timed=not args.untimed, rate=args.start_rate)
    if args.starts:
        return
    for n in sizes if args.months else ():
        false_alarms(n, args.months, args.first, args.rate, lives=args.lives, timed=not args.untimed)
    for n in sizes if args.trials else ():
        delays(n, args.trials, args.rate, timed=not args.untimed)


def false_alarms(n_reference: int, months: int, first: int, rate: int, *, lives: int, timed: bool) -> None:
    """Count the months with a verdict, and the verdicts."""
    start, watched, alarmed = time.perf_counter(), 0, 0
    for number in range(first, first + months):
        rng = np.random.default_rng([number, n_reference])
        if (number - first) % lives == 0:
            known = Streams(reference(POPULATION, n_reference, rng, timed=timed))
            shares = Shares(known, None)
        drift = SequentialDrift(known)
        verdicts = {verdict for _, verdict in followed(drift, rng, rate, days=30, minutes=60, shares=shares)}
        watched += bool(verdicts)
        alarmed += DriftVerdict.ALARM in verdicts
    interval = exact_interval(watched, months)
    print(
        f"reference of {n_reference:,} rows: {watched} of {months} months without drift with a watch or an alarm "
        f"({watched / months:.1%}, 95 % interval {interval.low:.1%} to {interval.high:.1%}), {alarmed} with an alarm; "
        f"{time.perf_counter() - start:.0f} s",
        flush=True,
    )


def first_minutes(n_reference: int, starts: int, trials: int, *, timed: bool, rate: int) -> None:
    """Count verdicts without drift in the first hour, and the minutes to a verdict by shift and by time live."""
    known = [
        Streams(reference(POPULATION, n_reference, np.random.default_rng([k, n_reference, 79]), timed=timed))
        for k in range(4)
    ]
    for alike in (1, 10):
        found = sum(
            first_verdict(SequentialDrift(known[k % 4]), np.random.default_rng([k, 80]), rate, alike) is not None
            for k in range(starts)
        )
        interval = exact_interval(found, starts)
        print(
            f"reference of {n_reference:,} rows, first hour, {alike} equal rows a request: {found} of {starts} "
            f"versions with a verdict (95 % interval {interval.low:.1%} to {interval.high:.1%})",
            flush=True,
        )
    for live in LIVE_MINUTES:
        for shift, minutes in minutes_to_detection(known, trials, rate, live).items():
            there = [each for each in minutes if np.isfinite(each)]
            said = f"{min(there):g} to {max(there):g}, median {np.median(minutes):g}" if there else "-"
            print(
                f"{shift:g} sd, {rate} rows a minute, {live:,} minutes after the start: minutes {said} "
                f"({len(there)} of {len(minutes)} within {FOLLOWED_MINUTES} minutes)",
                flush=True,
            )


def minutes_to_detection(known: list[Streams], trials: int, rate: int, live: int) -> dict[float, list[float]]:
    """Return by shift the minutes from a move of one column to its verdict, of versions live for so long before."""
    found: dict[float, list[float]] = {shift: [] for shift in SHIFTS}
    for k in range(trials):
        streams, rng = known[k % len(known)], np.random.default_rng([k, live, rate, 81])
        drift = SequentialDrift(streams)
        usual, times = Shares(streams, None), instants((live + FOLLOWED_MINUTES) / 1440, 1)
        for at in times[:live]:
            observe_minute(drift, usual, rng, at, rate)
        for shift, minutes in found.items():
            moved = Shares(streams, ("normal_0", Drift(shift=shift)))
            following = SequentialDrift(streams, state=copy.deepcopy(drift.state))
            for n, at in enumerate(times[live:], start=1):
                observe_minute(following, moved, rng, at, rate, day=BEGINS_DAY)
                if any(streams.streams[stream].key[1] == "normal_0" for stream in following.state.findings):
                    minutes.append(n)
                    break
            else:
                minutes.append(np.inf)
    return found


def observe_minute(
    drift: SequentialDrift, shares: "Shares", rng: np.random.Generator, at: datetime, rate: int, *, day: float = 0.0
) -> None:
    """Draw the rows of a minute, and observe them."""
    counts = {key: rng.multinomial(rate, own) for key, own in shares.at(at, day).items()}
    drift.observe([BinnedMinute(at.replace(tzinfo=UTC), counts)])


def first_verdict(drift: SequentialDrift, rng: np.random.Generator, rate: int, alike: int) -> int | None:
    """Return the minutes until the first verdict without drift within an hour."""
    shares = Shares(drift.streams, None)
    for k, at in enumerate(instants(1 / 24, 1)):
        counts = {key: alike * rng.multinomial(rate // alike, own) for key, own in shares.at(at, 0.0).items()}
        drift.observe([BinnedMinute(at.replace(tzinfo=UTC), counts)])
        if drift.state.findings:
            return k + 1
    return None


def followed(
    drift: SequentialDrift,
    rng: np.random.Generator,
    rate: int,
    *,
    days: float,
    minutes: int,
    shares: "Shares",
) -> Iterator[tuple[int, DriftVerdict]]:
    """Yield each interval with a finding, as its number, and its gravest verdict."""
    for k, at in enumerate(instants(days, minutes)):
        counts = {key: rng.multinomial(rate * minutes, own) for key, own in shares.at(at, k * minutes / 1440).items()}
        drift.observe([BinnedMinute(at.replace(tzinfo=UTC), counts)], length=minutes)
        if drift.state.findings:
            drift.judge_findings()
            found = [finding.verdict for finding in drift.state.findings.values()]
            yield k, DriftVerdict.ALARM if DriftVerdict.ALARM in found else DriftVerdict.WATCH


class Shares:
    """The true shares of the cells at each hour, before and after a drift."""

    def __init__(self, streams: Streams, moved: tuple[str, Drift] | None) -> None:
        """Prepare."""
        self._streams, self._moved, self._known = streams, moved, {}

    def at(self, at: datetime, day: float) -> dict:
        """Return the shares of an instant."""
        drifted = self._moved is not None and day >= BEGINS_DAY
        key = at.hour, at.weekday() >= 5, drifted
        if key not in self._known:
            self._known[key] = {
                layout.key: self._of(layout, at.hour, at.weekday(), drifted) for layout in self._streams.columns
            }
        return self._known[key]

    def _of(self, layout, hour: int, weekday: int, drifted: bool) -> np.ndarray:
        name = layout.key[1]
        if not drifted or self._moved is None or self._moved[0] != name:
            return ALL[name].shares(layout, hour, weekday)
        column = MISCALIBRATED if name == "residual" else ALL[name]
        return column.shares(layout, hour, weekday, self._moved[1])


def delays(n_reference: int, trials: int, rate: int, *, timed: bool) -> None:
    """Print rows to detection of each drift, by method."""
    print(f"\nreference of {n_reference:,} rows, {rate} rows a minute: median rows to detection (found in 14 days)")
    print(f"{'drift':<30}{'watch or alarm':>20}{'alarm':>20}{'ADWIN':>20}{'Page-Hinkley':>20}{'PSI > 0.2':>20}")
    rivals = rival_detectors()
    for name, moved in DRIFTS.items():
        found: dict[str, list[float]] = {key: [] for key in ("watch", "alarm", *rivals, "PSI")}
        for trial in range(trials):
            rng = np.random.default_rng([trial, n_reference, 77])
            profile = reference(POPULATION, n_reference, rng, timed=timed)
            drift = SequentialDrift(Streams(profile))
            first = dict.fromkeys(("watch", "alarm"), np.nan)
            shares = Shares(drift.streams, moved)
            for k, verdict in followed(drift, rng, rate, days=BEGINS_DAY + 14, minutes=5, shares=shares):
                rows = (k * 5 + 5 - BEGINS_DAY * 1440) * rate
                if rows > 0 and np.isnan(first["watch"]):
                    first["watch"] = rows
                if rows > 0 and verdict is DriftVerdict.ALARM:
                    first["alarm"] = rows
                    break
            for key, rows in first.items():
                found[key].append(rows)
            for key, rows in rival_rows(profile, moved, rate, rng, rivals).items():
                found[key].append(rows)
        print(f"{name:<30}" + "".join(f"{shown(rows):>20}" for rows in found.values()), flush=True)
    false = {key: [] for key in (*rivals, "PSI")}
    for trial in range(trials):
        rng = np.random.default_rng([trial, n_reference, 78])
        profile = reference(POPULATION, n_reference, rng, timed=timed)
        for key, days in rival_false_days(profile, rate, rng, rivals).items():
            false[key].append(days)
    print("days to a false alarm over all columns of numbers, without drift, in 14 days:")
    for key, days in false.items():
        known = [day for day in days if not np.isnan(day)]
        middle = f"median {np.median(known):.2f}" if known else "none"
        print(f"  {key:<14}{len(known)} of {len(days)} runs, {middle}", flush=True)


def shown(rows: list[float]) -> str:
    """Return the median and the share found."""
    known = [each for each in rows if not np.isnan(each)]
    if not known:
        return f"- (0/{len(rows)})"
    filled = [each if not np.isnan(each) else np.inf for each in rows]
    middle = float(np.median(filled))
    return f"{middle:,.0f} ({len(known)}/{len(rows)})" if np.isfinite(middle) else f"> ({len(known)}/{len(rows)})"


Detector = Callable[[float], bool]


def rival_detectors() -> dict[str, Callable[[], Detector]]:
    """Return the detectors of river, if it is installed."""
    try:
        from river.drift import ADWIN, PageHinkley
    except ImportError:
        print("river is not installed: no ADWIN, no Page-Hinkley")
        return {}

    def of(kind: type) -> Callable[[], Detector]:
        def make() -> Detector:
            detector = kind()

            def update(value: float) -> bool:
                detector.update(value)
                return bool(detector.drift_detected)

            return update

        return make

    return {"ADWIN": of(ADWIN), "Page-Hinkley": of(PageHinkley)}


def rival_rows(
    profile: DataProfile, moved: tuple[str, Drift], rate: int, rng: np.random.Generator, rivals: dict
) -> dict[str, float]:
    """Return the rows that rivals take on the drifted column; what they find before counts as nothing."""
    name, drift = moved
    column = ALL[name]
    n_before, n_after = int(BEGINS_DAY * 1440) * rate, 14 * 1440 * rate
    found = dict.fromkeys((*rivals, "PSI"), np.nan)
    values = drawn(column, drift, n_before, n_after, rate, rng)
    for key, make in rivals.items() if values is not None else ():
        update = make()
        for k, value in enumerate(values):
            if not np.isnan(value) and update(value) and k >= n_before:
                found[key] = k + 1 - n_before
                break
    streams = Streams(profile)
    layout = next(each for each in streams.columns if each.key[1] == name)
    shares = Shares(streams, moved)
    for day in range(14):
        own = shares.at(datetime(2026, 1, 6 + day, 12), BEGINS_DAY + day)[layout.key]
        rows = rng.multinomial(1440 * rate, own)
        if population_stability_index(layout.reference[: layout.missing], rows[: layout.missing]) > 0.2:
            found["PSI"] = (day + 1) * 1440 * rate
            break
    return found


def drawn(
    column: Column, drift: Drift, n_before: int, n_after: int, rate: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Draw rows of a column of numbers before and after a drift; None of a category."""
    if isinstance(column, Levels):
        return None
    minutes = np.arange(n_before + n_after) // rate
    hour, weekday = minutes % 1440 // 60, minutes // 1440 % 7
    values = column.draw(rng, hour, weekday).to_numpy()
    after = np.arange(len(values)) >= n_before
    if column.name == "residual":
        return np.where(after, MISCALIBRATED.draw(rng, hour, weekday).to_numpy(), values)
    middle = float(np.median(column.pool))
    moved = middle + (values - middle) * drift.spread + drift.shift * column.sd
    moved[rng.random(len(moved)) < drift.emptied] = np.nan
    return np.where(after, moved, values)


def rival_false_days(profile: DataProfile, rate: int, rng: np.random.Generator, rivals: dict) -> dict[str, float]:
    """Return the days until a rival alarms on any column of numbers without drift."""
    found = dict.fromkeys((*rivals, "PSI"), np.nan)
    for column in (each for each in ALL.values() if isinstance(each, Numbers)):
        values = drawn(column, STILL, 0, 14 * 1440 * rate, rate, rng)
        assert values is not None
        for key, make in rivals.items():
            update = make()
            for k, value in enumerate(values):
                day = k / rate / 1440
                if day >= (found[key] if not np.isnan(found[key]) else np.inf):
                    break
                if not np.isnan(value) and update(value):
                    found[key] = day
                    break
    shares = Shares(streams := Streams(profile), None)
    for day in range(14):
        if np.isnan(found["PSI"]):
            for layout in streams.columns:
                own = np.mean(
                    [shares.at(datetime(2026, 1, 6 + day, hour), 0)[layout.key] for hour in range(24)], axis=0
                )
                rows = rng.multinomial(1440 * rate, own)
                if population_stability_index(layout.reference[: layout.missing], rows[: layout.missing]) > 0.2:
                    found["PSI"] = day + 1.0
    return found


if __name__ == "__main__":
    main()
