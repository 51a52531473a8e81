"""Writing entries in their order, each to the log or to the ledger of its session."""

from collections.abc import Iterable, Mapping

from core.clock import Clock
from core.governance.chain import Link, Seal
from core.governance.journal import Journal
from core.governance.ledgers import SEAL_EVERY, SEAL_VERB, Ledger, LedgerFiles, LedgerHead, ledger_of, remembered
from core.governance.outbox import entry_by_engine
from core.governance.record import AuditEntry
from core.governance.verification import ALARM_VERB


class LogWriter:
    """Writes under the lock of the log.

    What a killed writer leaves is a beginning of the entries: a line is durable before the next file is written to.
    So the record that a ledger's line names as the one before it is the one before it.
    """

    def __init__(
        self,
        journal: Journal,
        ledgers: LedgerFiles,
        seal: Seal,
        *,
        link: Link,
        start: int,
        size: int,
        heads: Mapping[str, LedgerHead],
        clock: Clock,
    ) -> None:
        """Continue a log.

        Args:
            journal: The log.
            ledgers: The ledgers beside it.
            seal: The key of the chain.
            link: The last record.
            start: The offset of its line, in bytes.
            size: The end of its line.
            heads: The newest ends of the ledgers.
            clock: The time.
        """
        self.link, self.start, self.size = link, start, size
        self.n_written = 0
        self._journal = journal
        self._files = ledgers
        self._heads = heads
        self._seal = seal
        self._clock = clock
        self._lines: list[bytes] = []
        self._epochs: list[AuditEntry] = []
        self._ledger: Ledger | None = None  # of those epochs
        self._ledgers: dict[str, Ledger] = {}

    def write(self, entries: Iterable[AuditEntry]) -> None:
        """Write entries in order; `flush` completes it."""
        for entry in entries:
            session = ledger_of(entry)
            if session is not None:
                self._write_epoch(entry, self._open(session))
            else:
                self._seal_if_needed(entry.object)
                self.write_record(entry)

    def seal_ledgers(self) -> None:
        """Seal the epochs of every session that no seal covers yet."""
        for session in {**self._heads, **self._ledgers}:
            self._seal_if_needed(session)

    def write_record(self, entry: AuditEntry) -> None:
        """Write an entry to the log itself."""
        self._flush_epochs()
        line, self.link = self._seal.line(entry, self.link)
        self._lines.append(line)

    def heads(self) -> dict[str, LedgerHead]:
        """Return the ends of the ledgers that must be remembered now, the newest last."""
        untouched = {session: head for session, head in self._heads.items() if session not in self._ledgers}
        return remembered({**untouched, **{session: ledger.head() for session, ledger in self._ledgers.items()}})

    def flush(self) -> None:
        """Make everything durable that was written."""
        self._flush_epochs()
        self._flush_records()

    def _open(self, session: str) -> Ledger:
        if session not in self._ledgers:
            self._flush_epochs()
            ledger = Ledger(session, self._files.journal(session), self._seal, self._heads.get(session))
            self._ledgers[session] = ledger
            if ledger.alarm:
                self.write_record(entry_by_engine(ALARM_VERB, "audit log", clock=self._clock, reason=ledger.alarm))
        return self._ledgers[session]

    def _write_epoch(self, entry: AuditEntry, ledger: Ledger) -> None:
        if entry.id in ledger.in_ledger:  # a killed drain had already written it
            return
        self._flush_records()
        if self._ledger is not ledger:
            self._flush_epochs()
            self._ledger = ledger
        self._epochs.append(entry)
        if ledger.n_unsealed + len(self._epochs) >= SEAL_EVERY:
            self._seal_epochs(ledger)

    def _seal_if_needed(self, session: str) -> None:
        head = self._heads.get(session)
        if session in self._ledgers or (head is not None and head.n_sealed < head.sequence):
            self._seal_epochs(self._open(session))

    def _seal_epochs(self, ledger: Ledger) -> None:
        self._flush_epochs()
        if ledger.n_unsealed:
            said = ledger.sealed()
            self.write_record(entry_by_engine(SEAL_VERB, ledger.session, clock=self._clock, after=said))

    def _flush_epochs(self) -> None:
        if self._ledger is not None and self._epochs:
            self._ledger.append(self._epochs, after_record=self.link.sequence)
            self.n_written += len(self._epochs)
            self._epochs = []

    def _flush_records(self) -> None:
        if self._lines:
            begin = self._journal.append(b"".join(self._lines))
            self.size = begin + sum(map(len, self._lines))
            self.start = self.size - len(self._lines[-1])
            self.n_written += len(self._lines)
            self._lines = []
