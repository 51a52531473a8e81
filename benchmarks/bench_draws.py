"""Draws of a session beside their way to a worker: processor time to draw, pack, unpack and hash a panel, its bytes.

    python benchmarks/bench_draws.py [--rows 1000 10000 50000] [--runs 5]

The least of several runs, on one thread. Beside it the time that one model takes to learn from the same panel.
"""

import argparse
import io
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from core.domains.catalogue import create
from core.domains.domain import DrawRequest
from core.domains.registry import session_domain
from core.training.digest import digest_of

MODELS = {"bonds": "spread", "etrm": "etrm_risk"}


def took(work: Callable[..., Any], *given: Any, **named: Any) -> tuple[float, Any]:
    """Return the processor milliseconds of some work, and its result."""
    begin = time.process_time()
    found = work(*given, **named)
    return 1e3 * (time.process_time() - begin), found


def packed(tables: list[pd.DataFrame]) -> list[bytes]:
    """Return tables as bytes that a worker could send."""
    found = []
    for frame in tables:
        table, out = pa.Table.from_pandas(frame), io.BytesIO()
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
        found.append(out.getvalue())
    return found


def unpacked(contents: list[bytes]) -> list[pd.DataFrame]:
    """Read what `packed` wrote."""
    return [pa.ipc.open_stream(content).read_all().to_pandas() for content in contents]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    print(f"{'':8} {'rows':>8} {'draw':>8} {'pack':>8} {'unpack':>8} {'hash':>8} {'fit':>8}  ms of processor {'MB':>8}")
    for name, model in MODELS.items():
        domain = session_domain(name)
        settings = domain.settings()
        first = domain.draw(DrawRequest("draw", 300, 0, 42, settings))  # also fits what all have in common
        create(model, domain=domain).update(first, seed=1)  # and loads the learners
        for n_rows in args.rows:
            rounds = []
            for seed in range(1, args.runs + 1):
                draw, panel = took(domain.draw, DrawRequest("draw", n_rows, seed, 42, settings))
                pack, sent = took(packed, [panel.frame, *([panel.truth] if panel.truth is not None else [])])
                unpack, _ = took(unpacked, sent)
                digest, _ = took(digest_of, panel.frame)
                rounds.append((draw, pack, unpack, digest))
            fit, _ = took(create(model, domain=domain).update, panel, seed=1)
            figures = " ".join(f"{min(column):8.1f}" for column in zip(*rounds, strict=True))
            n_bytes = sum(map(len, sent))
            print(f"{name:8} {n_rows:8,} {figures} {fit:8.0f} {'':17} {n_bytes / 1e6:8.1f}", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
