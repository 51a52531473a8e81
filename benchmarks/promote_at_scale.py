"""Promote versions of a filled workspace to Staging: a program of its own for `bench_scale.py`.

    python benchmarks/promote_at_scale.py WORKSPACE NUMBER

It prints JSON: the milliseconds of each promotion, and their milliseconds of CPU.
"""

import json
import sys
import time
from pathlib import Path

from core.actor import Actor, Origin
from core.registry import Registry, Stage
from core.state import Workspace


def main() -> None:
    registry = Registry(Workspace.open(Path(sys.argv[1])))
    actor = Actor("bench", "localhost", Origin.COMMAND_LINE)
    waiting = [version for version in registry.versions() if version.stage is Stage.DEVELOPMENT]
    took, used = [], []
    for version in waiting[: int(sys.argv[2]) + 1]:
        begin, cpu_before = time.perf_counter(), time.process_time()
        registry.apply(registry.plan_promotion(version.model, version.version), actor=actor)
        took.append(1000 * (time.perf_counter() - begin))
        used.append(1000 * (time.process_time() - cpu_before))
    print(json.dumps({"took": took[1:], "used": used[1:]}))  # the first one reads the registry


if __name__ == "__main__":
    main()
