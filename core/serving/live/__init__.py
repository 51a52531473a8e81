"""Counting answered rows: `tap.py` takes them without waiting, `counter.py` counts, `explaining.py` explains some."""

from core.serving.live.counter import LiveCounter
from core.serving.live.tap import LiveTap

__all__ = ["LiveCounter", "LiveTap"]
