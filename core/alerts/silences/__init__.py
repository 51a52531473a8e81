"""Silences: matchers that keep alerts from being told, for a time, by somebody, for a reason.

`silence.py` is the document, `silences.py` makes, lists and expires them.
"""

from core.alerts.silences.silence import Silence
from core.alerts.silences.silences import Silences

__all__ = ["Silence", "Silences"]
