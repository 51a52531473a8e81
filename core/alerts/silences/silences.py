"""The silences of a workspace: made, listed and expired; every decision audited."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import asdict, replace

from core.actor import Actor
from core.alerts.alert import Alert
from core.alerts.selecting import AlertMatcher
from core.alerts.silences.silence import Silence, accepted, spelled
from core.alerts.silences.usable import require_comment, require_matchers, require_times
from core.alerts.together import Faults
from core.clock import Clock, utc_now
from core.errors import RefusedError, UsageError
from core.governance.audit import audited

if TYPE_CHECKING:
    from core.governance.outbox import AuditedChange
    from core.state import Documents, Workspace

DATABASE: Final = "silences"
TABLE: Final = "silences"
KEEP_EXPIRED: Final = timedelta(days=5)
"""As long as Alertmanager keeps them by default (`--data.retention`)."""
MOST: Final = 1_000


class Silences:
    """The silences of one workspace."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now) -> None:
        """Open them.

        Args:
            workspace: The workspace.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock

    @property
    def _documents(self) -> "Documents[Silence]":
        return self._workspace.database(DATABASE).documents(TABLE, Silence, key="silence_id")

    def all(self) -> list[Silence]:
        """Return every silence, those that ended in the last days included, the next to end first."""
        now = self._clock()
        return sorted(self._documents.all(), key=lambda each: (each.is_over(now), each.ends_at, each.silence_id))

    def active(self) -> list[Silence]:
        """Return the silences that hide alerts now, the next to end first."""
        now = self._clock()
        return [silence for silence in self.all() if silence.is_active(now)]

    def active_for(self, alert: Alert) -> list[Silence]:
        """Return the silences that hide an alert now, the next to end first."""
        return [silence for silence in self.active() if silence.hides(alert)]

    def expired_for(self, alert: Alert) -> list[Silence]:
        """Return the silences that hid an alert and are over, the newest end first."""
        now = self._clock()
        over = [each for each in self.all() if each.is_over(now) and each.hides(alert)]
        return sorted(over, key=lambda each: each.ends_at, reverse=True)

    def get(self, silence_id: str) -> Silence:
        """Return one silence.

        Raises:
            DocumentNotFoundError: There is none of this id.
        """
        return self._documents.get(silence_id)

    def add(
        self,
        matchers: Sequence[AlertMatcher],
        actor: Actor,
        *,
        comment: str,
        ends_at: datetime,
        starts_at: datetime | None = None,
        instead_of: str = "",
        everything: bool = False,
    ) -> Silence:
        """Keep alerts from being told for a time.

        Args:
            matchers: What it hides: the alerts that all of them accept.
            actor: Who makes it.
            comment: Why.
            ends_at: When it ends.
            starts_at: When it begins; by default now.
            instead_of: A silence that ends with it.
            everything: Whether it may hide every alert.

        Raises:
            DocumentNotFoundError: There is no silence that it could replace.
            UsageError: It would hide every alert and may not, ends in the past or before it begins, lasts more than a
                year, or has no comment.
            RefusedError: There are too many silences.
        """
        return self._add(
            [matchers],
            actor,
            comment,
            ends_at=ends_at,
            starts_at=starts_at,
            instead_of=instead_of,
            everything=everything,
        )[0]

    def add_all(
        self,
        groups: Sequence[Sequence[AlertMatcher]],
        actor: Actor,
        *,
        comment: str,
        ends_at: datetime,
        everything: bool = False,
    ) -> list[Silence]:
        """Make a silence for each group of matchers, or none if one of them cannot be made.

        Raises:
            CoreError: The only one cannot be made, as in `add`.
            NoneChangedError: One of several cannot be made.
        """
        return self._add(groups, actor, comment, ends_at=ends_at, everything=everything)

    def _add(
        self,
        groups: Sequence[Sequence[AlertMatcher]],
        actor: Actor,
        comment: str,
        *,
        ends_at: datetime,
        starts_at: datetime | None = None,
        instead_of: str = "",
        everything: bool,
    ) -> list[Silence]:
        now = self._clock()
        if ends_at <= now:
            raise UsageError(f"The silence would have ended at {ends_at:%Y-%m-%d %H:%M} UTC, which has passed.")
        starts_at = max(starts_at or now, now)
        require_comment(comment)
        require_times(starts_at, ends_at)
        faults = Faults("silence", "added")
        for matchers in groups:
            with faults.of(spelled(matchers)):
                require_matchers(matchers, everything=everything)
        faults.refuse()
        with audited(self._workspace, DATABASE, actor=actor, reason=comment, clock=self._clock) as change:
            documents = self._documents
            taken = {each.silence_id for each in _kept(documents, now, change)}
            if len(taken) + len(groups) > MOST:
                raise RefusedError(f"There are {MOST:,} silences already: expire some (bondx alerts silence expire).")
            replaced = documents.get(instead_of) if instead_of else None
            made = []
            for matchers in groups:
                silence = Silence(
                    silence_id=_new_id(matchers, now, taken),
                    matchers=tuple(matchers),
                    created_by=str(actor),
                    comment=comment.strip(),
                    created_at=now,
                    starts_at=starts_at,
                    ends_at=ends_at,
                )
                taken.add(silence.silence_id)
                made.append(documents.insert(silence))
                change.record("silence.add", silence.silence_id, after=_facts(silence))
            if replaced is not None and not replaced.is_over(now):
                _end(documents, replaced, actor, now, change)
            return made

    def expire(self, silence_id: str, actor: Actor, *, reason: str = "") -> Silence:
        """End a silence now.

        Raises:
            DocumentNotFoundError: There is no such silence.
            RefusedError: It is over already.
        """
        return self.expire_all([silence_id], actor, reason=reason)[0]

    def expire_all(self, silence_ids: Sequence[str], actor: Actor, *, reason: str = "") -> list[Silence]:
        """End several silences now, or none if one of them refuses.

        Raises:
            CoreError: The only silence refuses, as in `expire`.
            NoneChangedError: One of several refuses.
        """
        now, faults = self._clock(), Faults("silence", "ended")
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            documents, found = self._documents, list[Silence]()
            for name in dict.fromkeys(silence_ids):
                with faults.of(name):
                    found.append(_unended(documents.get(name), now))
            faults.refuse()
            return [_end(documents, each, actor, now, change) for each in found]

    def hidden(self, matchers: Sequence[AlertMatcher], alerts: Iterable[Alert]) -> list[Alert]:
        """Return the open alerts that matchers would hide."""
        return [alert for alert in alerts if alert.state.is_open and accepted(matchers, alert.routing_labels)]


def _kept(documents: "Documents[Silence]", now: datetime, change: "AuditedChange") -> list[Silence]:
    """Forget the silences that ended long ago, and return the others."""
    kept = [each for each in documents.all() if now - each.ends_at <= KEEP_EXPIRED]
    if old := {each.silence_id for each in documents.all()} - {each.silence_id for each in kept}:
        documents.remove_all(old)
        change.record("silence.forget", "silences", before={"silences": sorted(old)})
    return kept


def _end(
    documents: "Documents[Silence]", before: Silence, actor: Actor, now: datetime, change: "AuditedChange"
) -> Silence:
    starts_at = min(before.starts_at, now)
    after = documents.replace(replace(before, starts_at=starts_at, ends_at=now, expired_by=str(actor)))
    change.record("silence.expire", before.silence_id, before=_facts(before), after=_facts(after))
    return after


def _unended(silence: Silence, now: datetime) -> Silence:
    if silence.is_over(now):
        raise RefusedError(f"Silence {silence.silence_id} ended at {silence.ends_at:%Y-%m-%d %H:%M} UTC already.")
    return silence


def _new_id(matchers: Sequence[AlertMatcher], now: datetime, taken: set[str]) -> str:
    number = 0
    while True:
        text = f"{now.isoformat()} {number} {' '.join(map(str, matchers))}"
        found = f"si-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        if found not in taken:
            return found
        number += 1


def _facts(silence: Silence) -> dict[str, object]:
    facts = asdict(silence) | {"matchers": silence.matcher_text}
    return {name: facts[name] for name in ("matchers", "comment", "created_by", "starts_at", "ends_at", "expired_by")}
