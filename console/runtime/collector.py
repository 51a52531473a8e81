"""Starting without garbage collections.

Start-up creates modules, classes and widgets that live until the end: scanning them again and again for garbage took a
sixth of the time to the first frame, and every full collection later on would scan them again.
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
    """Collect garbage from now on, except the objects of start-up. Does nothing unless paused."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
