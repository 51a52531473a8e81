"""Time series in SQLite: samples by the second and the minute, and the metrics of each epoch.

`writer.py` is the committing thread, `store.py` writes; `reader.py` reads; `chunk.py` and `histogram.py` are the packed
forms; `recovery.py` recovers a damaged file. `epoch_store.py` and `epoch_reader.py` are the part for epochs: `spans.py`
is what is kept of many epochs, `courses.py` the lines that are drawn from it, `epoch_page.py` the epochs in a table.
"""

from core.telemetry.errors import TelemetryDamagedError, TelemetryError
from core.telemetry.histogram import Histogram
from core.telemetry.reader import Minute, Second, TelemetryReader
from core.telemetry.recovery import Recovery, check, recover, set_aside
from core.telemetry.writer import TelemetryWriter, WriterHealth

__all__ = [
    "Histogram",
    "Minute",
    "Recovery",
    "Second",
    "TelemetryDamagedError",
    "TelemetryError",
    "TelemetryReader",
    "TelemetryWriter",
    "WriterHealth",
    "check",
    "recover",
    "set_aside",
]
