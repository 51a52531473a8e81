"""AdamW and Muon at equal times: nats a token above the grammar's floor after some minutes of a processor.

    python benchmarks/bench_text_optimizers.py [--minutes 2 5] [--rates 0.001 0.003] [--seed 42]

Each training has a schedule of its own, which ends with its time: 30 steps tell how many that are. It is the time of
one processor, so that other programs hardly change it, without evaluations and what comes before the first step. The
decoder is that of the settings' defaults but
for what --width and --layers say. Needs the extra `text`. Prints a line for each training as it ends.
"""

import argparse
import itertools
import os
import time

import msgspec
import torch

from core.settings.text_model import TextModelSettings
from core.text.neural.training import DecoderTraining
from core.text.prepared import prepare_text

TRIED = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.0, 5.0])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.001, 0.003], help="peak learning rates")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'optimizer':<12}{'rate':>8}{'minutes':>9}{'steps':>8}{'seconds':>11}{'above floor':>13}", flush=True)
    for minutes, rate, name in itertools.product(arguments.minutes, arguments.rates, ("adamw", "muon")):
        settings = TextModelSettings(
            architecture="decoder",
            optimizer=name,
            learning_rate=rate,
            seed=arguments.seed,
            embedding_dim=arguments.width,
            num_layers=arguments.layers,
            dropout=0.0,
            epochs=1_000,
            evaluation_steps=1_000_000,
            patience=0,
        )
        print(f"{name:<12}{rate:>8g}{minutes:>9g}", *trained(settings, 60 * minutes), sep="", flush=True)
    print(f"load average {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


def trained(settings: TextModelSettings, seconds: float) -> tuple[str, ...]:
    """Train for about this time; return the columns of its line."""
    tried = DecoderTraining(prepare_text(msgspec.structs.replace(settings, max_steps=TRIED + 2)))
    tried.step()
    began = time.process_time()
    for _ in range(TRIED):
        tried.step()
    n_steps = max(50, round(seconds * TRIED / (time.process_time() - began)))
    warmup = min(settings.warmup_steps, n_steps // 10)
    training = DecoderTraining(prepare_text(msgspec.structs.replace(settings, max_steps=n_steps, warmup_steps=warmup)))
    began = time.process_time()
    while training.n_done < n_steps - 1:
        training.step()
    took = time.process_time() - began
    progress = training.step()
    assert progress is not None
    assert progress.excess is not None
    return f"{n_steps:>8}", f"{took:>11.0f}", f"{progress.excess:>13.4f}"


if __name__ == "__main__":
    main()
