"""The ledgers: the epochs of each session, in a file of its own beside the log.

A session of a day has a hundred thousand epochs. In the log they would bury what people did, so each goes to
`audit/epochs/<session>.jsonl`: a line of the same form, in a chain of its own. The log gets one record `epochs.seal`
with the Merkle root of all epochs so far: before each other record about the session, and every `SEAL_EVERY` epochs.

A line says after which record of the log it was written (`after_record`), so that a reader who needs the order of all
records has it.
"""

import heapq
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from core.files import digest
from core.governance.chain import ChainFault, Damage, Link, Seal, follow, link_of
from core.governance.journal import Journal
from core.governance.merkle import Peaks, leaf_hash
from core.governance.record import AuditEntry

EPOCH_VERBS = frozenset({"epoch.complete", "epoch.reject"})
"""The verbs of the records that go to a ledger. A failed attempt goes to the log: it is rare, and people look for it.
"""

SEAL_VERB = "epochs.seal"

SEAL_EVERY = 256
"""The maximum number of epochs after the last seal."""

REMEMBERED = 8
"""The number of sealed ledgers whose ends stay in the head: enough for the sessions that may still continue."""

_SESSION = re.compile(r"s-[0-9]{4,12}")


class LedgerHead(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a ledger after its last write."""

    sequence: int
    hash: str
    start: int  # offset of the last line, in bytes
    size: int
    peaks: tuple[str, ...]
    n_sealed: int

    @property
    def link(self) -> Link:
        """The position in the chain of the ledger."""
        return Link(self.sequence, self.hash)


def ledger_of(entry: AuditEntry) -> str | None:
    """Return the session to whose ledger an entry goes; None if it goes to the log."""
    return entry.object if entry.verb in EPOCH_VERBS and _SESSION.fullmatch(entry.object) else None


def genesis(session: str) -> Link:
    """Return the link before the first epoch of a session. It names the session: one ledger cannot pass for another."""
    return Link(0, digest(f"epochs of {session}".encode()))


class LedgerFiles:
    """The files of the ledgers of one workspace."""

    def __init__(self, audit_folder: Path) -> None:
        self.folder = audit_folder / "epochs"

    def journal(self, session: str) -> Journal:
        """Return the file of one session, which may not exist yet."""
        return Journal(self.folder / f"{session}.jsonl")

    def sessions(self) -> list[str]:
        """List the sessions with a ledger."""
        return sorted(file.stem for file in self.folder.glob("*.jsonl") if _SESSION.fullmatch(file.stem))

    def sizes(self) -> dict[str, int]:
        """Return the present size of every ledger, in bytes; -1 for what is no plain file."""
        return {session: self._size_of(session) for session in self.sessions()}

    def _size_of(self, session: str) -> int:
        found = self.journal(session).file.lstat()
        return found.st_size if stat.S_ISREG(found.st_mode) else -1


class Ledger:
    """One ledger, open for writing; the caller holds the lock of the log."""

    def __init__(self, session: str, journal: Journal, seal: Seal, head: LedgerHead | None) -> None:
        """Take up a ledger where its head says that it ends, or where a killed process left it.

        Args:
            session: Whose epochs.
            journal: The file.
            seal: The key of the chain.
            head: The newest head; None for a new ledger, and for one whose head was not remembered.
        """
        self.session = session
        self.alarm = ""
        self.in_ledger: set[str] = set()  # ids found beyond the head
        self._journal = journal
        self._seal = seal
        self.link = head.link if head else genesis(session)
        self._start, self._size = (head.start, head.size) if head else (0, 0)
        self._peaks = Peaks(head.sequence, map(bytes.fromhex, head.peaks)) if head else Peaks()
        self.n_sealed = head.n_sealed if head else 0
        if head is not None and not journal.ends_with(head.hash, head.start, head.size):
            self._survey(f"the epochs of {session} no longer end with epoch record {head.sequence}")
        else:
            self._take_up()

    def _take_up(self) -> None:
        for item in follow(self._journal.lines(self._size, self._journal.size()), self._seal, self.link):
            if isinstance(item, ChainFault):
                if item.damage is Damage.UNREADABLE:  # an incomplete line: an interrupted write
                    self._journal.set_aside(self._size)
                    break
                self._survey(f"the epochs of {self.session}: {item.sentence}")
                return
            line, link = item
            self.in_ledger.add(orjson.loads(line)["id"])
            self._passed(line, link)
        if self.in_ledger:
            self._journal.sync()

    def _survey(self, alarm: str) -> None:
        """Collect what an altered ledger still has, to continue after its end without repeating an entry."""
        self.alarm = alarm
        for line in filter(self._seal.holds, self._journal.lines(0, self._journal.size())):
            self.in_ledger.add(orjson.loads(line)["id"])
            if (link := link_of(line)).sequence > self.link.sequence:
                self._passed(line, link)
        self._size = self._journal.size()

    def _passed(self, line: bytes, link: Link) -> None:
        self.link = link
        self._start, self._size = self._size, self._size + len(line)
        self._peaks.add(leaf_hash(line))

    @property
    def n_unsealed(self) -> int:
        """The number of epochs that no seal covers yet."""
        return self.link.sequence - self.n_sealed

    def append(self, entries: list[AuditEntry], *, after_record: int) -> None:
        """Append entries durably.

        Args:
            entries: Records of epochs of this session.
            after_record: The last record of the log so far.
        """
        lines, link = [], self.link
        for entry in entries:
            line, link = self._seal.line(entry, link, after_record=after_record)
            lines.append((line, link))
        self._journal.make_folder()
        self._size = self._journal.append(b"".join(line for line, _ in lines))
        for line, link in lines:
            self._passed(line, link)

    def sealed(self) -> dict[str, Any]:
        """Seal all epochs so far, and return what the log records about them."""
        self.n_sealed = self.link.sequence
        return {"epochs": self.link.sequence, "root": self._peaks.root().hex(), "hash": self.link.hash}

    def head(self) -> LedgerHead:
        """Return the present end."""
        return LedgerHead(
            sequence=self.link.sequence,
            hash=self.link.hash,
            start=self._start,
            size=self._size,
            peaks=tuple(peak.hex() for peak in self._peaks.hashes),
            n_sealed=self.n_sealed,
        )


def remembered(heads: dict[str, LedgerHead]) -> dict[str, LedgerHead]:
    """Drop the ends of old ledgers that are sealed: the log has their number of epochs and their root."""
    sealed = [session for session, head in heads.items() if head.n_sealed == head.sequence]
    old = set(sealed[:-REMEMBERED])
    return {session: head for session, head in heads.items() if session not in old}


class LedgerWalk:
    """The verification of all ledgers, beside the walk over the log: each line is heard in its place."""

    def __init__(self, files: LedgerFiles, sizes: Mapping[str, int], seal: Seal) -> None:
        """Begin before the first record.

        Args:
            files: The ledgers.
            sizes: The bytes of each that are looked at, as of `LedgerFiles.sizes`; a running engine writes on.
            seal: The key of the chain.
        """
        self.fault: ChainFault | None = None
        self.n_epochs = 0
        self.torn: str | None = None  # a ledger whose last write was interrupted
        self._open = {session: _Walked(session, files.journal(session), size, seal) for session, size in sizes.items()}
        self._next: list[tuple[int, str]] = []  # a heap: after which record the next line of each ledger was written
        for ledger in self._open.values():
            self._look_ahead(ledger)

    def before(self, record: float) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the epochs that were recorded before a record of the log, with the record that they followed.

        Args:
            record: Its sequence; infinity after the last.
        """
        while self.fault is None and self._next and self._next[0][0] < record:
            after, session = heapq.heappop(self._next)
            ledger = self._open[session]
            yield after, ledger.fields
            self.n_epochs += 1
            ledger.step()
            self._look_ahead(ledger)

    def _look_ahead(self, ledger: "_Walked") -> None:
        if ledger.is_torn:
            self.torn = ledger.session
        self.fault = self.fault or ledger.fault
        if ledger.fields:
            heapq.heappush(self._next, (ledger.fields["after_record"], ledger.session))

    def judge_seal(self, session: str, said: Mapping[str, Any]) -> None:
        """Compare a seal in the log with the ledger, all of whose earlier lines have been heard."""
        ledger = self._open.get(session)
        if self.fault is not None or (ledger is not None and ledger.is_at(said)):
            return
        n, expected = ledger.n_passed if ledger else 0, said["epochs"]
        if n < expected:
            damage, how = Damage.CUT_OFF, f"has {n:,} of the {expected:,} epochs that the log sealed"
        else:
            damage, how = Damage.REBUILT, f"differs from what the log sealed at its record {expected:,}"
        self.fault = ChainFault(0, damage, f"audit/epochs/{session}.jsonl {how}")

    def judge_ends(self, heads: Mapping[str, LedgerHead]) -> None:
        """Compare the ends of the ledgers with the newest heads; every line has been heard."""
        for session, head in heads.items():
            n = self._open[session].n_passed if session in self._open else 0
            if self.fault is None and n < head.sequence:
                how = f"has {n:,} of {head.sequence:,} epochs: its end was cut off"
                self.fault = ChainFault(0, Damage.CUT_OFF, f"audit/epochs/{session}.jsonl {how}")


class _Walked:
    """One ledger, read line by line, one line ahead of what has been heard."""

    def __init__(self, session: str, journal: Journal, size: int, seal: Seal) -> None:
        self.session = session
        self.fault: ChainFault | None = None
        self.is_torn = False
        self.fields: dict[str, Any] = {}  # of the line ahead; empty after the last
        self._peaks = Peaks()
        self._link = self._link_ahead = genesis(session)
        self._ahead = b""
        # Read in blocks and closed between them: a workspace has more sessions than a process has descriptors.
        self._lines = journal.lines_in_blocks(0, size)
        self._links = follow(self._lines, seal, self._link)
        if size < 0:
            self.fault = ChainFault(0, Damage.UNREADABLE, f"audit/epochs/{session}.jsonl is not a plain file")
        else:
            self._read()

    @property
    def n_passed(self) -> int:
        """The number of lines passed."""
        return self._peaks.n

    def step(self) -> None:
        """Pass the line ahead."""
        self._link = self._link_ahead
        self._peaks.add(leaf_hash(self._ahead))
        self._read()

    def is_at(self, said: Mapping[str, Any]) -> bool:
        """Say whether the passed lines are exactly those of a seal."""
        found = self._peaks.n, self._peaks.root().hex(), self._link.hash
        return found == (said["epochs"], said["root"], said["hash"])

    def _read(self) -> None:
        item = next(self._links, None)
        self.fields = {}
        if isinstance(item, ChainFault):
            self.is_torn = item.damage is Damage.UNREADABLE and next(self._lines, None) is None
            if not self.is_torn:
                self.fault = ChainFault(0, item.damage, f"audit/epochs/{self.session}.jsonl: {item.sentence}")
        elif item is not None:
            self._ahead, self._link_ahead = item
            self.fields = orjson.loads(self._ahead)
