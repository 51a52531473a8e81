"""Verification of a log: its lines in order, its end against the newest head, and the state files against it."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
import orjson

from core.governance.anchors import Anchor
from core.governance.chain import ChainFault, Damage, Link, Seal, follow
from core.governance.head import AuditHead
from core.governance.keys import AuditKeys
from core.governance.ledgers import SEAL_VERB, LedgerWalk
from core.governance.record import AuditEntry
from core.governance.sealed import Mismatch, Witness, name_of, spelled
from core.json_documents import converted
from core.progress import begins
from core.state.encoding import Tables, fields_of

SIGNATURE_VERB = "audit.sign"
ALARM_VERB = "audit.alarm"
_ABOUT_THE_LOG = b'"verb":"audit.'

_ANNOUNCED = 5_000  # records between two announcements of progress


class AuditVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `verify`."""

    ok: bool
    n_records: int  # valid records before the first fault
    n_epochs: int = 0  # valid records of epochs, in the ledgers of the sessions
    first_bad_sequence: int | None = None
    damage: Damage | None = None
    reason: str
    torn_tail: bool = False  # a crash interrupted a write; the next drain moves the partial line aside
    n_signatures: int = 0
    n_waiting: int = 0  # committed changes not yet in the log


def signed_message(link: Link) -> bytes:
    """Return the bytes a signature of a head covers."""
    return f"bondx audit head {link.sequence} {link.hash}".encode()


def verify_log(
    lines: Iterable[bytes],
    seal: Seal,
    keys: AuditKeys,
    head: AuditHead | None,
    anchors: Sequence[Anchor] = (),
    *,
    witness: Witness,
    ledgers: LedgerWalk,
) -> AuditVerdict:
    """Judge a whole log.

    Args:
        lines: All of its lines.
        seal: The key of the chain.
        keys: The keys, for the signatures.
        head: The newest head kept in the state files.
        anchors: Positions that were kept elsewhere.
        witness: Hears what each intact record says about documents.
        ledgers: The epochs beside the log.

    Raises:
        AuditKeyError: There are signatures, but no key to check them with.
    """
    walk = _Walk(seal, keys, head, anchors, witness, ledgers)
    fault = walk.over(lines)
    # After the head, an unreadable line is an interrupted write.
    torn = fault is not None and fault.damage is Damage.UNREADABLE and head is not None and walk.n_bytes >= head.size
    if fault is None or torn:
        fault = _judge_end(walk.link, head, seal) or _judge_anchors(walk.link, anchors) or walk.over_last_epochs()
    n = walk.link.sequence
    if fault is not None:
        return AuditVerdict(
            ok=False,
            n_records=n,
            n_epochs=ledgers.n_epochs,
            first_bad_sequence=fault.sequence or None,
            damage=fault.damage,
            reason=fault.sentence,
            torn_tail=torn,
            n_signatures=walk.n_signatures,
        )
    records = f"all {n:,} records" if n > 1 else "the one record"
    epochs = f" and {ledgers.n_epochs:,} epoch{'s' * (ledgers.n_epochs > 1)}" if ledgers.n_epochs else ""
    verb = "are" if n > 1 or epochs else "is"
    reason = f"{records}{epochs} {verb} intact, in order and complete" if n else "the log is empty"
    if torn:
        reason += "; the last write was cut short by a crash, and the next change moves the partial line aside"
    if ledgers.torn:
        reason += f"; the last epoch of audit/epochs/{ledgers.torn}.jsonl was cut short by a crash, and does not count"
    return AuditVerdict(
        ok=True,
        n_records=n,
        n_epochs=ledgers.n_epochs,
        reason=reason,
        torn_tail=torn or ledgers.torn is not None,
        n_signatures=walk.n_signatures,
    )


def verify_unwritten(states: Mapping[str, Tables], key_files: Sequence[str], ledgers: Collection[str]) -> AuditVerdict:
    """Judge a workspace without a log and without a head: is there anything that must have been recorded?

    Args:
        states: The tables of each state file.
        key_files: The names of the key files that exist.
        ledgers: The sessions with records of epochs.
    """
    left = [f"state/{name}.json" for name, tables in states.items() if any(tables.values())]
    left += [f"audit/epochs/{session}.jsonl" for session in ledgers]
    left += [f"keys/{name}" for name in key_files]
    if not left:
        return AuditVerdict(ok=True, n_records=0, reason="nothing has been recorded yet")
    return AuditVerdict(
        ok=False,
        n_records=0,
        first_bad_sequence=1,
        damage=Damage.CUT_OFF,
        reason=f"the log and its head are missing, although {' and '.join(left[:3])} cannot exist without records",
    )


def compare_states(
    verdict: AuditVerdict,
    witness: Witness,
    states: Mapping[str, Tables],
    is_posted_here: Callable[[str, AuditEntry], bool],
) -> AuditVerdict:
    """Compare the state files with what the records left in them; changes that wait for the log count as recorded.

    Args:
        verdict: On the log alone.
        witness: Has heard every record of the log.
        states: The tables of each state file that exists.
        is_posted_here: Whether an entry in the outbox of a database has the seal of a holder of the key.
    """
    found = [
        mismatch
        for database, tables in states.items()
        for mismatch in _hear_waiting(verdict.n_records + 1, witness, database, tables, is_posted_here)
    ]
    for database in sorted({*states, *witness.databases}):
        found += witness.mismatches(database, states.get(database, {}))
    if not found:
        return verdict
    first = min(found, key=lambda mismatch: mismatch.sequence)
    more = f"; {len(found) - 1} more documents differ" if len(found) > 1 else ""
    return msgspec.structs.replace(
        verdict,
        ok=False,
        first_bad_sequence=first.sequence or None,
        damage=Damage.STATE,
        reason=first.sentence + more,
    )


def _hear_waiting(
    sequence: int,
    witness: Witness,
    database: str,
    tables: Tables,
    is_posted_here: Callable[[str, AuditEntry], bool],
) -> Iterator[Mismatch]:
    for number, entry in tables.get("outbox", {}).items():
        waiting = fields_of(entry)
        if witness.has_heard(waiting.get("id", "")):
            continue  # logged already; the next change of the database removes it
        try:
            is_ours = is_posted_here(database, converted(waiting, AuditEntry))
        except msgspec.ValidationError:
            is_ours = False
        if is_ours:
            witness.hear(sequence, waiting)
        else:
            name = name_of(database, "outbox", number)
            yield Mismatch(name, 0, f"{spelled(name)} waits for the log, and was not posted by this program")


class _Walk:
    """The verified part of a log, by chain and by signatures."""

    def __init__(
        self,
        seal: Seal,
        keys: AuditKeys,
        head: AuditHead | None,
        anchors: Sequence[Anchor],
        witness: Witness,
        ledgers: LedgerWalk,
    ) -> None:
        self.link = Link()
        self.n_bytes = 0
        self.n_signatures = 0
        self._seal = seal
        self._keys = keys
        self._head = head
        self._anchored = {anchor.sequence: anchor for anchor in anchors}
        self._witness = witness
        self._ledgers = ledgers

    def over(self, lines: Iterable[bytes]) -> ChainFault | None:
        """Go over the lines, up to the first fault."""
        head = self._head
        for item in follow(lines, self._seal, Link()):
            if isinstance(item, ChainFault):
                return item
            line, link = item
            if link.sequence % _ANNOUNCED == 0:
                begins(f"record {link.sequence:,}")
            if head is not None and link.sequence == head.sequence and link.hash != head.hash:
                return ChainFault(
                    link.sequence,
                    Damage.REBUILT,
                    f"record {link.sequence} differs from the record in the state files: the log was rebuilt",
                )
            anchor = self._anchored.get(link.sequence)
            if anchor is not None and anchor.hash != link.hash:
                return ChainFault(
                    link.sequence,
                    Damage.REBUILT,
                    f"record {link.sequence} differs from the anchor of {anchor.at:%Y-%m-%d %H:%M} UTC: the log was "
                    "rebuilt",
                )
            if _ABOUT_THE_LOG in line and (fault := self._judge_own_record(line, link)) is not None:
                return fault
            self._witness.hear_all(self._ledgers.before(link.sequence))
            fields = orjson.loads(line)
            if fields["verb"] == SEAL_VERB:
                self._ledgers.judge_seal(fields["object"], fields["after"])
            if self._ledgers.fault is not None:
                return self._ledgers.fault
            self._witness.hear(link.sequence, fields)
            self.link = link
            self.n_bytes += len(line)
        return None

    def over_last_epochs(self) -> ChainFault | None:
        """Go over the epochs after the last record, and compare the ends of all ledgers with the newest head."""
        self._witness.hear_all(self._ledgers.before(math.inf))
        self._ledgers.judge_ends(self._head.ledgers if self._head else {})
        return self._ledgers.fault

    def _judge_own_record(self, line: bytes, link: Link) -> ChainFault | None:
        fields = orjson.loads(line)
        if fields["verb"] == ALARM_VERB:
            sentence = f"record {link.sequence} reports earlier damage: {fields['reason']}"
            return ChainFault(link.sequence, Damage.ALARM, sentence)
        if fields["verb"] == SIGNATURE_VERB:
            signed = fields["after"]
            covers_the_record_before = (signed["sequence"], signed["hash"]) == (self.link.sequence, self.link.hash)
            if not (covers_the_record_before and self._keys.is_signed(signed_message(self.link), signed["signature"])):
                return ChainFault(
                    self.link.sequence,
                    Damage.FORGED_SIGNATURE,
                    f"the signature of record {self.link.sequence} was not made with the key of this workspace",
                )
            self.n_signatures += 1
        return None


def _judge_anchors(last: Link, anchors: Sequence[Anchor]) -> ChainFault | None:
    beyond = max((anchor for anchor in anchors), key=lambda anchor: anchor.sequence, default=None)
    if beyond is None or beyond.sequence <= last.sequence:
        return None
    return ChainFault(
        last.sequence + 1,
        Damage.CUT_OFF,
        f"the log ends with record {last.sequence}, but the anchor of {beyond.at:%Y-%m-%d %H:%M} UTC is about record "
        f"{beyond.sequence}: the end of the log was cut off",
    )


def _judge_end(last: Link, head: AuditHead | None, seal: Seal) -> ChainFault | None:
    if head is None:
        if last.sequence == 0:
            return None
        return ChainFault(1, Damage.REBUILT, "the state files hold no head, although the log has records")
    if not head.is_genuine(seal):
        return ChainFault(head.sequence, Damage.REBUILT, "the newest head in the state files was edited")
    if last.sequence < head.sequence:
        first, final = last.sequence + 1, head.sequence
        which = f"record {first} is" if first == final else f"records {first} to {final} are"
        return ChainFault(first, Damage.CUT_OFF, f"{which} missing: the end of the log was cut off")
    return None
