"""How close the models of energy trading come to the optimum, by number of deals, and what an epoch costs.

    python benchmarks/bench_etrm.py                 # 1,000 (five draws), 10,000 (three) and 100,000 deals (one)
    python benchmarks/bench_etrm.py --rows 1000

Each model is trained on a new draw and judged on 20,000 deals of new books: on the price path of the training data, and
on another. The goals are for the share of the optimum R² of the risk score: .93, .98 and .995.
"""

import argparse
import time

from core.domains.catalogue import create
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.domain import MODEL_NAMES

GOALS = {1_000: 0.93, 10_000: 0.98, 100_000: 0.995}
DRAWS = {1_000: 5, 10_000: 3, 100_000: 1}
TEST_ROWS = 20_000
PRICES, OTHER_PRICES = 7, 1_234
SETTINGS = DealSettings()


def main() -> None:
    """Print one line for each model and number of deals: means over draws, and the lowest attainment."""
    parser = argparse.ArgumentParser(description="Attainment of the models of energy trading")
    parser.add_argument("--rows", type=int, action="append", help="deals to train on; repeatable")
    rows = parser.parse_args().rows or list(GOALS)
    tests = [draw_deals(TEST_ROWS, 90_000 + n, path, SETTINGS) for n, path in enumerate((PRICES, OTHER_PRICES))]
    print("| deals | model | optimum | same prices | other prices | lowest | an update, s |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for n_rows in rows:
        draws = [draw_deals(n_rows, 100 * n_rows + number, PRICES, SETTINGS) for number in range(DRAWS.get(n_rows, 1))]
        for name in MODEL_NAMES:
            found, seconds = [], 0.0
            for number, panel in enumerate(draws):
                model = create(name)
                started = time.perf_counter()
                model.update(panel, seed=number)
                seconds += (time.perf_counter() - started) / len(draws)
                reached = [model.attainment(test, seed=0) for test in tests]
                found.append([each for each in reached if each is not None])
            optimum = " / ".join(f"{each.optimum:.3f}" for each in found[0])
            means = [sum(each[place].attainment for each in found) / len(found) for place in range(len(tests))]
            lowest = min(each.attainment for pair in found for each in pair)
            goal = f" (goal {GOALS[n_rows]})" if name == "etrm_risk" and n_rows in GOALS else ""
            print(
                f"| {n_rows:,} | {name} | {optimum} | {means[0]:.4f} | {means[1]:.4f} | {lowest:.4f}{goal} "
                f"| {seconds:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
