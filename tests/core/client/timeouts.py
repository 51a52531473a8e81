"""Time-outs for tests with a real server."""

from core.client import Timeouts
from tests.waiting import PATIENCE_SECONDS

PATIENT = Timeouts(connect_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS, total_seconds=PATIENCE_SECONDS)
