"""The audit log as a whole: draining outboxes into the chain, signing it, reading it, verifying it."""

import contextlib
import hmac
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import orjson

from core.clock import Clock, utc_now
from core.confinement import LeadsOutError, require_inside
from core.errors import NotFoundError
from core.escape import shown
from core.files import access_error
from core.governance.anchors import Anchor
from core.governance.audit_filter import AuditFilter
from core.governance.chain import ChainFault, Damage, Link, Seal, follow, link_of
from core.governance.epoch_proof import EpochProof, not_sealed, prove
from core.governance.head import DATABASE, AuditHead, HeadStore, remember
from core.governance.journal import Journal
from core.governance.keys import AuditKeys
from core.governance.ledgers import SEAL_VERB, LedgerFiles, LedgerWalk
from core.governance.log_writer import LogWriter
from core.governance.outbox import entry_by_engine, outbox_of
from core.governance.record import AuditEntry, AuditRecord
from core.governance.sealed import Witness
from core.governance.verification import (
    ALARM_VERB,
    SIGNATURE_VERB,
    AuditVerdict,
    compare_states,
    signed_message,
    verify_log,
    verify_unwritten,
)
from core.json_documents import decode_json
from core.log_reading import lines_backwards

if TYPE_CHECKING:
    from core.state import Workspace

SIGN_EVERY = 256
"""The maximum number of records after the last signed head of a running system."""


_TICK = timedelta(microseconds=1)  # the resolution of the times in the log


class _Instant(msgspec.Struct):
    """The only fields read from a line to find a time in the log."""

    at: datetime


@dataclass(slots=True)
class _Standing:
    """The position of the log, as found before a write."""

    link: Link
    start: int
    size: int
    signed_sequence: int
    in_log: frozenset[str]  # ids found in the log beyond what the head says
    alarm: str = ""


class AuditLog:
    """The hash-chained log of one workspace, safe for several processes and threads at once."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now, sign_every: int = SIGN_EVERY) -> None:
        """Open the log; its key is created with the first change.

        Raises:
            AuditKeyError: A log exists, and its key is missing or unreadable.
        """
        self._workspace = workspace
        self._clock = clock
        self._sign_every = sign_every
        self._journal = Journal(workspace.audit_file)
        self._ledgers = LedgerFiles(workspace.audit_dir)
        self._keys = AuditKeys(workspace.keys_dir)
        self._heads = HeadStore(workspace)
        self._opened: Seal | None = None
        if not self._is_new():
            self._opened = Seal(self._keys.chain_key(may_create=False))

    def _is_new(self) -> bool:
        return self._journal.size() == 0 and not (self._workspace.state_dir / f"{DATABASE}.json").exists()

    @property
    def _seal(self) -> Seal:
        if self._opened is None:
            self._opened = Seal(self._keys.chain_key(may_create=self._is_new()))
        return self._opened

    def require_own_place(self) -> None:
        """Refuse a log that could not be written where it belongs, for a link that leads out of the workspace.

        Raises:
            FileAccessError: There is such a link; the message names it.
        """
        head, keys = self._workspace.state_file(DATABASE), self._workspace.keys_dir
        for place in (*self._journal.files, self._ledgers.folder, head, keys):
            try:
                require_inside(place)
            except LeadsOutError as error:
                raise access_error(place, "write", error) from error

    def begin(self) -> None:
        """Give a new log its key and an empty head; outside of a transaction."""
        if self._opened is None:
            with self._journal.locked():
                self._begun()

    def sealed(self, database: str, entry: AuditEntry) -> AuditEntry:
        """Return an entry with the seal that lets it into the log.

        Args:
            database: The database in whose outbox it will wait.
            entry: The entry.
        """
        return msgspec.structs.replace(entry, seal=self._seal.tag_of(entry, database))

    def _begun(self) -> AuditHead | None:
        """Return the head, and store an empty one before the first record: a log without a head was tampered with."""
        head = self._heads.load()
        if head is None and self._journal.size() == 0:
            head = self._heads.store(AuditHead(seals_outbox=True), self._seal)
        return head

    def drained_ids(self, database: str) -> Sequence[str]:
        """List outbox entries of a database that are surely in the log, at least the latest."""
        head = self._heads.load()
        return head.drained.get(database, ()) if head else ()

    def drain(self, *databases: str) -> int:
        """Append the waiting outbox entries to the log, in order, each entry once.

        Args:
            databases: The databases to drain; by default all.

        Returns:
            How many records were appended.

        Raises:
            OSError: The log cannot be written. Nothing is lost: the entries stay in their outboxes.
            StateError: A state file cannot be read or written. Nothing is lost.
        """
        with self._journal.locked():
            return self._write(databases or self._databases(), sign=False)

    def sign(self) -> None:
        """Drain everything, seal all epochs, and sign the newest head, unless it is signed already."""
        with self._journal.locked():
            self._write(self._databases(), sign=True)

    def tail(self, n: int, *, until: datetime | None = None) -> list[AuditRecord]:
        """Return the last records, oldest first, without unreadable lines (`verify` names them).

        Args:
            n: The maximum number of records.
            until: Omit records after this instant.
        """
        end = None if until is None else self._offset_after(until)
        return list(self._records(self._journal.last_lines(n, end=end)))

    def newest_sequence(self) -> int:
        """Return the number of the last record; 0 before the first."""
        return max((record.sequence for record in self.tail(64)), default=0)

    def since(self, sequence: int) -> list[AuditRecord]:
        """Return the records after one, oldest first, reading no more of the log than they need.

        Args:
            sequence: The number of that record; 0 for all.

        Raises:
            LockHeldError: Others have not released the log in time.
        """
        with self._journal.locked(shared=True):  # what is still being written may be lost with the power
            size = self._journal.size()
        records = self._records(lines_backwards(self._journal.file, 0, size))
        return [*itertools.takewhile(lambda record: record.sequence > sequence, records)][::-1]

    def search(self, wanted: AuditFilter, *, limit: int | None = None) -> list[AuditRecord]:
        """Return the wanted records, newest first, reading no more of the log than they need.

        Args:
            wanted: Which records.
            limit: The maximum number of records; None is no limit.
        """
        start = 0 if wanted.since is None else self._offset_after(wanted.since - _TICK)
        end = self._journal.size() if wanted.until is None else self._offset_after(wanted.until)
        found = filter(wanted.accepts, self._records(lines_backwards(self._journal.file, start, end)))
        return list(itertools.islice(found, limit))

    def next_change(self, wanted: AuditFilter, after: datetime) -> AuditRecord | None:
        """Return the first wanted record after an instant, if there is one."""
        start = self._offset_after(after)
        return next(filter(wanted.accepts, self._records(self._journal.lines(start, self._journal.size()))), None)

    def epochs(self, session: str, *, limit: int | None = None) -> list[AuditRecord]:
        """Return the records of a session's epochs, newest first.

        Args:
            session: Its id.
            limit: The maximum number of records; None is no limit.
        """
        ledger = self._ledger_of(session)
        return list(itertools.islice(self._records(lines_backwards(ledger.file, 0, ledger.size())), limit))

    def prove_epoch(self, session: str, epoch: int) -> EpochProof:
        """Prove that an epoch is among those that the log sealed; `EpochProof.holds` checks it anywhere.

        Args:
            session: Its id.
            epoch: The number of the epoch.

        Raises:
            NotFoundError: The session has no sealed epoch of this number.
            TamperedError: The epochs are not what the log sealed.
        """
        ledger = self._ledger_of(session)
        for line in lines_backwards(self._journal.file, 0, self._journal.size()):
            if SEAL_VERB.encode() in line and self._seal.holds(line):
                record = decode_json(line, AuditRecord)
                if (record.verb, record.object) == (SEAL_VERB, session):
                    return prove(epoch, ledger, record, line.rstrip(b"\n").decode())
        raise not_sealed(epoch, session)

    def _records(self, lines: Iterable[bytes]) -> Iterator[AuditRecord]:
        """Read the lines that a holder of the key wrote; `verify` names the others."""
        if self._is_new():
            return
        for line in filter(self._seal.holds, lines):
            with contextlib.suppress(msgspec.DecodeError):
                yield decode_json(line, AuditRecord)

    def _ledger_of(self, session: str) -> Journal:
        if session not in (known := self._ledgers.sessions()):
            raise NotFoundError(
                f"No epoch of {shown(session)} has been recorded. Recorded: {', '.join(known) or 'none'}."
            )
        return self._ledgers.journal(session)

    def n_waiting(self) -> int:
        """Count committed changes that are not yet in the log; more than a few mean that the log cannot be written."""
        head = self._heads.load() or AuditHead()
        return sum(
            entry.id not in head.drained.get(name, ())
            for name in self._databases()
            for entry in outbox_of(self._workspace.database(name)).all()
        )

    def anchor(self) -> Anchor:
        """Return the newest position of the log, to keep where the account of the workspace cannot write.

        Raises:
            NotFoundError: Nothing has been recorded yet.
        """
        with self._journal.locked():
            self._write(self._databases(), sign=False, seals=True)  # an anchor covers what the log seals
        head = self._heads.load()
        if head is None or head.sequence == 0:
            raise NotFoundError(f"Nothing has been recorded in {self._workspace.root} yet; there is nothing to anchor.")
        return Anchor(at=self._clock(), workspace=str(self._workspace.root), sequence=head.sequence, hash=head.hash)

    def verify(self, anchors: Sequence[Anchor] = ()) -> AuditVerdict:
        """Check every record, the order and completeness of all, the newest head, the signatures and the state files.

        Writers are blocked for an instant only: later records are not checked.

        Args:
            anchors: Positions that were kept elsewhere; the log must contain each.
        """
        with self._journal.locked(shared=True):
            head, size, sizes = self._heads.load(), self._journal.size(), self._ledgers.sizes()
            # A change is in the outbox until it is in the log, so both together cover every document read here.
            states = {name: self._workspace.database(name).storage.read() for name in self._databases()}
        if size == 0 and head is None:
            verdict = verify_unwritten(states, self._keys.present(), sizes)
        else:
            witness, ledgers = Witness(), LedgerWalk(self._ledgers, sizes, self._seal)
            verdict = verify_log(
                self._journal.lines(0, size), self._seal, self._keys, head, anchors, witness=witness, ledgers=ledgers
            )
            if verdict.ok:
                verdict = compare_states(verdict, witness, states, partial(self._is_posted_here, head))
        return msgspec.structs.replace(verdict, n_waiting=self.n_waiting())

    def witness(self) -> Witness:
        """Return a witness of all intact records, logged or waiting, which remembers all that they say."""
        self.begin()  # a key without a head would look like a log that was removed
        heard = Witness(remembers=True)
        with self._journal.locked(shared=True):
            head, size, sizes = self._heads.load(), self._journal.size(), self._ledgers.sizes()
            waiting = {name: outbox_of(self._workspace.database(name)).readable()[0] for name in self._databases()}
        sequence, ledgers = 0, LedgerWalk(self._ledgers, sizes, self._seal)
        for item in follow(self._journal.lines(0, size), self._seal, Link()):
            if isinstance(item, ChainFault):
                break
            sequence = item[1].sequence
            heard.hear_all(ledgers.before(sequence))
            heard.hear(sequence, orjson.loads(item[0]))
        heard.hear_all(ledgers.before(math.inf))
        for name, entries in waiting.items():
            for entry in entries:
                if self._is_posted_here(head, name, entry):
                    heard.hear(sequence + 1, msgspec.to_builtins(entry))
        return heard

    def _is_posted_here(self, head: AuditHead | None, database: str, entry: AuditEntry) -> bool:
        """Say whether a holder of the key posted an entry. Earlier releases posted without a seal."""
        is_of_earlier_release = head is not None and not head.seals_outbox and not entry.seal
        return is_of_earlier_release or hmac.compare_digest(entry.seal, self._seal.tag_of(entry, database))

    def _offset_after(self, instant: datetime) -> int:
        return self._journal.first_offset(lambda line: _is_later(line, instant))

    def _databases(self) -> tuple[str, ...]:
        files = sorted(self._workspace.state_dir.glob("*.json"))
        return tuple(file.stem for file in files if file.stem != DATABASE)

    def _write(self, databases: Sequence[str], *, sign: bool, seals: bool = False) -> int:
        head = self._begun()
        standing = self._find_standing(head)
        if standing.in_log:  # a killed drain had already reached the log: its entries must be marked as drained now
            databases = self._databases()
        entries, drained = self._collect(databases, head, standing)
        writer = LogWriter(
            self._journal,
            self._ledgers,
            self._seal,
            link=standing.link,
            start=standing.start,
            size=standing.size,
            heads=head.ledgers if head and not standing.alarm else {},
            clock=self._clock,
        )
        writer.write(entries)
        if sign or seals:
            writer.seal_ledgers()
        n_unsigned = writer.link.sequence - standing.signed_sequence
        is_signed = n_unsigned >= self._sign_every or (sign and n_unsigned > 0)
        if is_signed:
            writer.write_record(self._signature(writer.link))
        writer.flush()
        newest = AuditHead(
            sequence=writer.link.sequence,
            hash=writer.link.hash,
            start=writer.start,
            size=writer.size,
            signed_sequence=writer.link.sequence if is_signed else standing.signed_sequence,
            drained=drained,
            ledgers=writer.heads(),
            seals_outbox=True,
        )
        if head is None or not newest.says_the_same_as(head):
            self._heads.store(newest, self._seal)
        return writer.n_written

    def _collect(
        self, databases: Sequence[str], head: AuditHead | None, standing: _Standing
    ) -> tuple[list[AuditEntry], dict[str, tuple[str, ...]]]:
        """Collect the entries that the log lacks, and the entries to mark as drained after the write."""
        entries: list[AuditEntry] = []
        trusted = None if standing.alarm else head
        logged = head.drained if head else {}
        drained = dict(logged)
        if standing.alarm:
            entries.append(entry_by_engine(ALARM_VERB, "audit log", clock=self._clock, reason=standing.alarm))
        for name in databases:
            posted = outbox_of(self._workspace.database(name)).all()
            if fresh := [entry for entry in posted if entry.id not in logged.get(name, ())]:
                entries += [
                    entry if self._is_posted_here(trusted, name, entry) else self._alarm_about(entry, name)
                    for entry in fresh
                    if entry.id not in standing.in_log
                ]
                drained[name] = remember(logged.get(name, ()), fresh, n_posted=len(posted))
        return entries, drained

    def _alarm_about(self, entry: AuditEntry, database: str) -> AuditEntry:
        reason = f"entry {entry.id} in the outbox of state/{database}.json was not posted by this program"
        return entry_by_engine(ALARM_VERB, "audit log", clock=self._clock, after=entry, reason=reason)

    def _signature(self, link: Link) -> AuditEntry:
        signature = self._keys.sign(signed_message(link))
        signed = {"sequence": link.sequence, "hash": link.hash, "signature": signature}
        return entry_by_engine(SIGNATURE_VERB, f"record {link.sequence}", clock=self._clock, after=signed)

    def _find_standing(self, head: AuditHead | None) -> _Standing:
        """Compare the log with the head, accept records appended by a killed process, move a torn tail aside."""
        if head is None:
            return self._survey(Link(), "the newest head is missing from the state files")
        if not head.is_genuine(self._seal):
            return self._survey(Link(), "the newest head in the state files was edited")
        if not self._journal.ends_with(head.hash, head.start, head.size):
            return self._survey(head.link, f"the log no longer ends with record {head.sequence}")
        link, start, size = head.link, head.start, head.size
        in_log: set[str] = set()
        signed_sequence = head.signed_sequence
        for item in follow(self._journal.lines(head.size, self._journal.size()), self._seal, head.link):
            if isinstance(item, ChainFault):
                if item.damage is Damage.UNREADABLE:  # an incomplete line: an interrupted write
                    self._journal.set_aside(size)
                    break
                return self._survey(link, item.sentence)
            line, link = item
            start, size = size, size + len(line)
            fields = orjson.loads(line)
            in_log.add(fields["id"])
            if fields["verb"] == SIGNATURE_VERB:
                signed_sequence = link.sequence
        if in_log:
            self._journal.sync()
        return _Standing(link, start, size, signed_sequence, frozenset(in_log))

    def _survey(self, trusted: Link, alarm: str) -> _Standing:
        """Read the whole altered log, to continue after its end without repeating an entry."""
        newest, ids, signed_sequence = trusted, set(), 0
        for line in filter(self._seal.holds, self._journal.lines(0, self._journal.size())):
            fields = orjson.loads(line)
            ids.add(fields["id"])
            link = link_of(line)
            if fields["verb"] == SIGNATURE_VERB:
                signed_sequence = max(signed_sequence, link.sequence)
            if link.sequence > newest.sequence:
                newest = link
        size = self._journal.size()
        return _Standing(newest, size, size, signed_sequence, frozenset(ids), alarm)


def _is_later(line: bytes, instant: datetime) -> bool | None:
    """Whether a record came after an instant; None for a line that cannot be read."""
    try:
        return decode_json(line, _Instant).at > instant
    except msgspec.DecodeError:
        return None
