import subprocess
import sys

MAKE_GARBAGE = """
import gc
from core.collector import freeze

libraries = [[] for _ in range(1_000_000)]
{freeze}
before = gc.get_stats()[2]["collections"]
waiting = []
for _ in range(200_000):
    cycle = []
    cycle.append(cycle)
    waiting.append(cycle)
    if len(waiting) > 10_000:  # they have outlived two young collections
        waiting.clear()
print(gc.get_stats()[2]["collections"] - before)
"""


def n_full_collections(freeze: str) -> int:
    said = subprocess.run([sys.executable, "-c", MAKE_GARBAGE.format(freeze=freeze)], capture_output=True, text=True)
    return int(said.stdout)


def test_garbage_beside_frozen_libraries_is_collected():
    assert n_full_collections("gc.collect(); gc.freeze()") == 0  # the reason for a function of our own
    assert n_full_collections("freeze()") > 0
