"""Python's garbage collector in a process that has loaded everything it needs."""

import gc


def freeze() -> None:
    """Collect, and leave out of later collections whatever lives now.

    CPython collects everything only once the objects that have outlived two young collections are a quarter of those
    that the last full collection left. It does not count the frozen objects out of these, so beside half a million of
    them garbage in cycles would wait until there are 125,000 objects of it: hence the second collection, of nothing.

    Source:
        CPython 3.11, Modules/gcmodule.c (`long_lived_total`, `gc_freeze_impl`).
    """
    gc.collect()
    gc.freeze()
    gc.collect()
