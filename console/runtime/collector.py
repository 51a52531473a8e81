"""Starting without garbage collections.

What start-up makes is modules, classes and widgets, which live until the end: looking through them again and again for
garbage took a sixth of the time to the first frame, and every full collection later on would look through them anew.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Collect nothing in here, until `resume` says that start-up is over."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def resume() -> None:
    """Collect garbage from now on, and leave what start-up made out of it. Does nothing unless paused."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
