"""Load on a gRPC server: one channel with a number of calls open, each begun again as soon as it is answered.

    python benchmarks/load_rpc.py PORT METHOD N_OPEN SECONDS < MESSAGE

Prints `rps`, `p50_ms` and `p99_ms`. The client is gRPC in Python, which takes more CPU than the server, so its figures
are compared with HTTP through a Python client only.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from typing import NamedTuple

N_WARMING = 50


class Asked(NamedTuple):
    """A message, and the method that it goes to."""

    port: int
    method: str
    content: bytes


def ask(asked: Asked, n_open: int, seconds: float) -> dict[str, float]:
    """Load one server for some seconds from a separate process."""
    command = [sys.executable, __file__, str(asked.port), asked.method, str(n_open), str(seconds)]
    done = subprocess.run(command, input=asked.content, capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    import grpc

    port, method, n_open, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    content = sys.stdin.buffer.read()
    durations: list[float] = []
    clock = time.perf_counter
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(method)
        for _ in range(N_WARMING):
            call(content)
        end = clock() + seconds

        def repeat() -> None:
            while (begin := clock()) < end:
                call(content)
                durations.append(clock() - begin)

        threads = [threading.Thread(target=repeat) for _ in range(n_open)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ordered = sorted(durations)
    figures = {
        "rps": round(len(ordered) / seconds, 0),
        "p50_ms": round(statistics.median(ordered) * 1e3, 3),
        "p99_ms": round(ordered[int(0.99 * len(ordered))] * 1e3, 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
