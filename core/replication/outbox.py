"""What waits on a replica to be sent: files of a batch each, which outlive the process and a lost control plane."""

import itertools
import logging
import os
import threading
import time
from collections import deque
from pathlib import Path

import msgspec

from core.files import FileAccessError, InDoubtError, make_folder, remove_file, write_file
from core.replication.sent_records import MOST_SENT, SentMinute, SentOutcome, SentPrediction, SentRecords
from core.telemetry.live import CountedMinute
from core.telemetry.predictions import OutcomeRecord, PredictionRecord

log = logging.getLogger(__name__)

OUTBOX = "outbox"
_SECONDS = 1.0
_MOST_WAITING = 50_000
_BATCH_BYTES = 2 << 20
_SUFFIX = ".json"


class ReplicaOutbox:
    """Takes records from any thread of a server, and writes them into files once a second."""

    def __init__(self, folder: Path, most_bytes: float, *, seconds: float = _SECONDS) -> None:
        """Prepare, and start the thread.

        Args:
            folder: Where the files wait.
            most_bytes: How much they may take; the oldest go first.
            seconds: How often they are written.
        """
        self._folder = folder
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._waiting: deque[PredictionRecord | OutcomeRecord | CountedMinute] = deque(maxlen=_MOST_WAITING)
        self._numbers = itertools.count()
        self._said = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def add(self, record: PredictionRecord | OutcomeRecord | CountedMinute) -> None:
        """Take a record; never blocks. Of too many the oldest are lost."""
        self._waiting.append(record)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._closing.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        while not self._closing.wait(self._seconds):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while self._waiting:
            taken = self._batch()
            try:
                self._write(taken)
            except (OSError, FileAccessError, InDoubtError) as error:
                self._waiting.extendleft(reversed(taken))
                self._say(f"records for the control plane cannot be stored, and wait in memory: {error}")
                return
        self._say("")

    def _batch(self) -> list[PredictionRecord | OutcomeRecord | CountedMinute]:
        """Take as many records as fit into one request."""
        taken: list[PredictionRecord | OutcomeRecord | CountedMinute] = []
        n_bytes = 0
        while self._waiting and len(taken) < MOST_SENT and n_bytes < _BATCH_BYTES:
            record = self._waiting.popleft()
            n_bytes += len(record.sketch) if isinstance(record, CountedMinute) else 0
            taken.append(record)
        return taken

    def _write(self, records: list[PredictionRecord | OutcomeRecord | CountedMinute]) -> None:
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(self._numbers)}"
        batch = SentRecords(
            batch=name,
            predictions=[SentPrediction.of(each) for each in records if isinstance(each, PredictionRecord)],
            outcomes=[SentOutcome.of(each) for each in records if isinstance(each, OutcomeRecord)],
            minutes=[SentMinute.of(each) for each in records if isinstance(each, CountedMinute)],
        )
        content = msgspec.json.encode(batch)
        make_folder(self._folder)
        self._make_room(len(content))
        write_file(self._folder / f"{name}{_SUFFIX}", content, durable=False)

    def _make_room(self, n_bytes: int) -> None:
        files = batches_in(self._folder)
        sizes = {file: size_of(file) for file in files}
        total, n_lost = sum(sizes.values()) + n_bytes, 0
        for file in files:
            if total <= self._most_bytes:
                break
            remove_file(file)
            total -= sizes[file]
            n_lost += 1
        if n_lost:
            self._say(
                "the oldest records for the control plane are dropped: serving.follow.send_mib allows no more of them"
            )

    def _say(self, problem: str) -> None:
        if problem and problem != self._said:
            log.warning("%s", problem)
        self._said = problem


def batches_in(folder: Path) -> list[Path]:
    """Return the files that wait, oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []


def size_of(file: Path) -> int:
    """Return the size of a file; 0 if it is gone."""
    try:
        return file.stat().st_size
    except OSError:
        return 0
