"""Time of a stress test: every bond repriced under ten scenarios, cascades, tail risk and all slices included.

    python benchmarks/bench_stress.py [--bonds 1000] [--rounds 5] [--domain etrm]

With `--domain etrm`, as many energy positions are revalued. The table of instruments is in memory. The goal is 200 ms
at 1,000 bonds. The times are the best of the rounds: by the clock, and of all processors together, which a busy machine
lengthens less.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from core.domains.bonds.data.panel import generate
from core.domains.bonds.data.settings import PanelSettings
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.stress.choosing import stress_engine

ROWS_PER_BOND = 3.3  # a panel observes a bond every year; the newest row is held
N_SCENARIOS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bonds", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--domain", choices=("bonds", "etrm"), default="bonds")
    args = parser.parse_args()
    engine = stress_engine(args.domain)
    if args.domain == "bonds":
        frame = generate(PanelSettings(n_rows=int(args.bonds * ROWS_PER_BOND), seed=1)).frame
        frame = frame.sort_values("as_of_date").drop_duplicates("bond_id", keep="last").head(args.bonds)
    else:
        frame = draw_deals(args.bonds, 1, 1, DealSettings()).frame
    # The levels of the rating moves are fitted once a process, for about a second; to draw the panel has done it.
    took, worked = [], []
    for _ in range(args.rounds):
        start, busy = time.perf_counter(), time.process_time()
        held = engine.drawn_portfolio(frame)
        engine.run(held, engine.scenarios[:N_SCENARIOS], ["severe"])
        took.append(time.perf_counter() - start)
        worked.append(time.process_time() - busy)
    print(
        f"{held.n_instruments:,} instruments of {args.domain} x {N_SCENARIOS} scenarios: "
        f"{1000 * min(took):.0f} ms, {1000 * min(worked):.0f} ms of processors"
    )


if __name__ == "__main__":
    main()
