import ctypes
import subprocess
import sys

import pytest

import core.allocator as module
from core.allocator import N_ARENAS, limit_arenas, return_large_blocks, return_memory

COUNT_THE_ARENAS_OF_THREADS = """
import ctypes, threading
{limit}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(12)

def work():
    together.wait()
    for _ in range(200):
        libc.malloc(1 << 16)
    together.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fopen.restype = ctypes.c_void_p
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""

glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another C library has no arenas")


def n_arenas(limit: str) -> int:
    program = COUNT_THE_ARENAS_OF_THREADS.format(limit=limit)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return said.count("<heap nr=")


@glibc
def test_twelve_threads_share_two_pools_of_memory():
    assert n_arenas("") > N_ARENAS
    assert n_arenas("from core.allocator import limit_arenas; limit_arenas()") <= N_ARENAS


COUNT_THE_MAPPINGS_OF_LARGE_BLOCKS = """
import ctypes
from core.allocator import return_large_blocks
return_large_blocks()

class Figures(ctypes.Structure):  # struct mallinfo2 of malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd".split()]
    _fields_ += [(name, ctypes.c_size_t) for name in "usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Figures
freed = bytes(8 << 20)
del freed
before = libc.mallinfo2().hblks
kept = bytes(1 << 20)
print(libc.mallinfo2().hblks - before)
"""


@glibc
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc before 2.33 does not tell")
def test_a_large_block_is_no_part_of_a_pool_after_a_larger_one_was_freed():
    program = COUNT_THE_MAPPINGS_OF_LARGE_BLOCKS
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "1\n"


def test_a_process_with_another_c_library_goes_on(monkeypatch):
    monkeypatch.setattr(module.ctypes, "CDLL", lambda name: object())
    limit_arenas()
    return_large_blocks()
    return_memory()


def test_a_training_child_limits_its_pools_before_its_libraries_start_threads(monkeypatch):
    from core.training import child

    began = []
    monkeypatch.setattr(child, "limit_arenas", lambda: began.append("limit"))
    monkeypatch.setattr(child, "die_with_parent", lambda parent: None)
    monkeypatch.setattr(child, "yield_to_others", lambda *_: None)
    monkeypatch.setattr(child.os, "fdopen", lambda *_: None)
    monkeypatch.setattr(child, "_read_in_background", lambda stream: began.append("thread") or _Queue())
    monkeypatch.setattr(child, "log_to_parent", lambda: None)
    monkeypatch.setattr(child, "_serve", lambda take, replies: 0)
    assert child.main(["1", "2", "3", "0", "10"]) == 0
    assert began == ["limit", "thread"]


class _Queue:
    get = None
