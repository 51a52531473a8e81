"""Rollouts: error rates and durations of verdicts, and the cost of routing, recording and judging.

python benchmarks/bench_rollout.py [--seconds 20] [--rollouts 1000]
"""

import argparse
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from core.clock import utc_now
from core.rollout import Arm, Guard, GuardSource, RolloutPlan, RolloutStep, Router, RoutingTable, Strategy
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.guard_reader import read_guards
from core.rollout.readings import Pace
from core.rollout.simulated_callers import NEVER as UNSEEN
from core.rollout.simulated_callers import Callers, first_at, log_evidence, watch
from core.rollout.simulation import NEVER, Traffic, simulate
from core.telemetry.predictions import Cursor, OutcomeRecord, PredictionReader, PredictionRecord, PredictionWriter

RATE = 8_400
MARGIN, ALPHA, BETA = 1.5, 0.01, 0.05
PLAN = RolloutPlan(
    strategy=Strategy.CANARY,
    steps=(RolloutStep(share=0.2),),
    guards=(
        Guard(name="errors", source=GuardSource.ERRORS, tolerated_share=0.001),
        Guard(name="slow", source=GuardSource.SLOW, limit=50.0, tolerated_share=0.02),
        Guard(name="loss", source=GuardSource.LOSS, margin=1.1, required=False),
    ),
)


def bench_false_verdicts(n_rollouts: int) -> None:
    print(f"good candidates rolled back, of {n_rollouts}, watched at every request (limit: alpha)")
    for alpha in (0.01, 0.05):
        for base_rate in (0.002, 0.02, 0.2):
            for diurnal in (0.0, 0.8):
                traffic = Traffic(base_rate=base_rate, diurnal=diurnal, n_requests=30_000)
                found = simulate(traffic, n_rollouts=n_rollouts, alpha=alpha, beta=BETA, margin=MARGIN, seed=1)
                sigma = (alpha * (1 - alpha) / n_rollouts) ** 0.5
                print(
                    f"  alpha {alpha:4.0%}  base rate {base_rate:5.1%}  {'diurnal' if diurnal else 'steady ':<7}"
                    f"  rolled back {np.mean(found.rolled_back):6.2%}  ever shown harmful "
                    f"{np.mean(found.harmful_at < NEVER):6.2%}  (one sigma {sigma:.2%})"
                )


def bench_power(n_rollouts: int) -> None:
    print(f"power at 30,000 requests, alpha {ALPHA:.0%}, beta {BETA:.0%}, 5 -> 20 -> 50 %, diurnal; [stated figure]")
    cases = (
        (0.02, 1.0, "[promoted 88 %, rolled back 0.7 %]"),
        (0.02, 2.0, "[caught 100 %, median 679 candidate requests]"),
        (0.02, 5.0, "[caught 100 %, median 45]"),
        (0.002, 1.0, "[undecided 82 %]"),
        (0.002, 5.0, ""),
    )
    schedules = (
        ("early", ((0, 0.05), (2_000, 0.2), (6_000, 0.5))),
        ("late", ((0, 0.05), (10_000, 0.2), (20_000, 0.5))),
    )
    for early, steps in schedules:
        for base_rate, ratio, stated in cases:
            traffic = Traffic(base_rate=base_rate, ratio=ratio, diurnal=0.5, steps=steps)
            found = simulate(traffic, n_rollouts=n_rollouts, alpha=ALPHA, beta=BETA, margin=MARGIN, seed=2)
            back, good = found.rolled_back, found.promoted
            median = np.median(found.candidate_requests[back]) if back.any() else float("nan")
            to_promote = np.median(found.candidate_requests[good]) if good.any() else float("nan")
            print(
                f"  {early:<5} steps  base {base_rate:5.1%}  x{ratio:g}  rolled back {back.mean():6.1%} (median "
                f"{median:5.0f} candidate requests)  promoted {good.mean():6.1%} (median {to_promote:5.0f})  "
                f"undecided {1 - back.mean() - good.mean():6.1%}  {stated}"
            )


LOSSES = {
    "0 or 1, 20 %": Callers(n=500),
    "0 or 1, 2 %": Callers(n=500, rate=0.02),
    "exponential": Callers(n=500, loss="exponential", spread=0.5),
    "log-normal 1.5": Callers(n=500, loss="lognormal", spread=0.5),
    "no callers": Callers(n=0, loss="exponential"),
}


def bench_losses(n_rollouts: int) -> None:
    n = max(n_rollouts // 50, 1)
    print(f"losses by caller, 500 callers who differ, {n} rollouts of 10,000 outcomes, 5 -> 10 -> 20 %:")
    random = np.random.default_rng(4)
    for name, callers in LOSSES.items():
        for ratio in (1.0, MARGIN, 2.0):
            harmful, safe, outcomes = 0, 0, []
            for _ in range(n):
                seen = watch(replace(callers, ratio=ratio, n_outcomes=10_000), random)
                harm = log_evidence(seen.layout, seen.n, seen.totals, higher=True)
                good = log_evidence(seen.layout, seen.n, seen.totals, ratio=MARGIN, higher=False)
                look = first_at(harm, ALPHA)
                harmful += look != UNSEEN
                outcomes += [int(seen.at[look])] if look != UNSEEN else []
                safe += first_at(good, BETA) != UNSEEN
            median = f"{statistics.median(outcomes):,.0f}" if outcomes else "-"
            print(
                f"  {name:<14}  x{ratio:g}  harmful {harmful / n:6.1%} (median {median} outcomes)  safe {safe / n:6.1%}"
            )


def bench_routing() -> None:
    router = Router(
        {"spread": RoutingTable(model="spread", stable="1.0.0", candidate="1.1.0", share=0.2, rollout_id="ro-0001")}
    )
    keys = [f"customer-{number}" for number in range(100_000)]
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for key in keys:
            router.route("spread", key)
        rounds.append((time.perf_counter() - began) / len(keys))
    print(f"route one request: {min(rounds) * 1e6:.2f} us (goal < 20)")


def predictions(first: int, n: int) -> list[PredictionRecord]:
    now = utc_now()
    return [
        PredictionRecord(
            f"request-{number}",
            now,
            "spread",
            "1.1.0" if number % 5 == 0 else "1.0.0",
            latency_ms=2.0 + number % 7,
            error=number % 50 == 0,
            value=float(number % 100),
            rollout_id="ro-0001",
            arm=Arm.CANDIDATE if number % 5 == 0 else Arm.STABLE,
            share=0.2,
        )
        for number in range(first, first + n)
    ]


def bench_store(folder: Path, seconds: int) -> None:
    file = folder / "predictions.db"
    with PredictionWriter(file) as writer:
        adding, late, most_waiting = [], 0, 0
        cpu = time.process_time()
        began = time.perf_counter()
        for second in range(seconds):
            batch = predictions(second * RATE, RATE)
            for tenth in range(10):
                start = time.perf_counter()
                for prediction in batch[tenth * RATE // 10 : (tenth + 1) * RATE // 10]:
                    writer.add(prediction)
                adding.append((time.perf_counter() - start) / (RATE / 10))
                for prediction in batch[tenth * 84 : (tenth + 1) * 84]:  # a tenth of the requests have an outcome
                    writer.add_outcome(OutcomeRecord(prediction.request_id, prediction.at, actual=1.0))
                until = began + second + (tenth + 1) / 10
                time.sleep(max(0.0, until - time.perf_counter()))
            n_waiting = writer.health().n_waiting
            most_waiting = max(most_waiting, n_waiting)
            late += n_waiting > 2 * RATE
        elapsed = time.perf_counter() - began
        start = time.perf_counter()
        writer.flush(60)
        flushed = time.perf_counter() - start
        health = writer.health()
    print(
        f"record {RATE} predictions/s and 840 outcomes/s for {seconds} s: {health.n_stored / elapsed:,.0f} rows/s "
        f"stored, {late} late batches, at most {most_waiting:,} waiting, {health.n_dropped} dropped, last flush "
        f"{flushed:.2f} s"
    )
    print(
        f"  adding a record costs the server {statistics.median(adding) * 1e6:.2f} us; whole process "
        f"{(time.process_time() - cpu) / elapsed:.0%} of a core, including this generator; file "
        f"{file.stat().st_size / health.n_stored:.0f} bytes per row"
    )
    bench_burst(folder)
    bench_tick(file)


def bench_burst(folder: Path) -> None:
    batch = predictions(0, 100_000)
    with PredictionWriter(folder / "burst.db", commit_seconds=60) as writer:
        for prediction in batch:
            writer.add(prediction)
        began = time.perf_counter()
        writer.flush(60)
        print(f"store a burst of 100,000: {100_000 / (time.perf_counter() - began):,.0f} rows/s")


def bench_tick(file: Path) -> None:
    reader, collector, cursor, looks = PredictionReader(file), Collector(PLAN, RolloutEvidence()), Cursor(), []
    settled = utc_now() + timedelta(seconds=60)
    while True:
        began = time.perf_counter()
        batch = reader.read("ro-0001", cursor, settled_before=settled, n=RATE)
        reading = time.perf_counter() - began
        collector.add(batch)
        adding = time.perf_counter() - began - reading
        read_guards(PLAN, collector.evidence, collector.sums, Pace(share=0.2, n_requests=1, seconds=1.0))
        looks.append((reading, adding, time.perf_counter() - began))
        cursor = batch.cursor
        if batch.is_last:
            break
    reading, adding, whole = (statistics.median(column) * 1e3 for column in zip(*looks, strict=True))
    print(
        f"one tick at {RATE} predictions with 2 % failures: {whole:.1f} ms "
        f"(read {reading:.1f}, add up {adding:.1f}, judge {whole - reading - adding:.1f}); {len(looks)} ticks"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="seconds of recording predictions")
    parser.add_argument("--rollouts", type=int, default=1_000, help="simulated rollouts per case")
    arguments = parser.parse_args()
    began = time.perf_counter()
    bench_false_verdicts(arguments.rollouts)
    bench_power(arguments.rollouts)
    bench_losses(arguments.rollouts)
    print(f"simulations: {time.perf_counter() - began:.0f} s")
    bench_routing()
    with tempfile.TemporaryDirectory() as folder:
        bench_store(Path(folder), arguments.seconds)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
