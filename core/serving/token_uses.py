"""When each token was last used, to the minute: kept beside the tokens, since it is no decision and has no record."""

import logging
import threading
from datetime import datetime, timedelta

import msgspec

from core.errors import CoreError
from core.state import Documents, Workspace

log = logging.getLogger(__name__)

DATABASE = "token_uses"
EVERY = timedelta(minutes=1)


class TokenUse(msgspec.Struct, frozen=True, kw_only=True):
    """The last use of one token."""

    token_id: str
    last_used_at: datetime
    revision: int = 0


class TokenUses:
    """The last uses of the tokens of a workspace. Safe to share between threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._noted: dict[str, datetime] = {}

    def last_used(self) -> dict[str, datetime]:
        """Return when each token was last used; a token that never was is missing."""
        return {use.token_id: use.last_used_at for use in self._documents.all()}

    def note(self, token_id: str, now: datetime) -> None:
        """Note a use. It is written at most once a minute for a token, by a thread of its own, so no caller waits."""
        before = self._noted.get(token_id)
        if before is not None and now - before < EVERY:
            return
        self._noted[token_id] = now
        threading.Thread(target=self._write, args=(token_id, now), name="token-use", daemon=True).start()

    def _write(self, token_id: str, now: datetime) -> None:
        try:
            with self._workspace.database(DATABASE).transaction():
                before = self._documents.find(token_id)
                if before is None:
                    self._documents.insert(TokenUse(token_id=token_id, last_used_at=now))
                elif before.last_used_at < now:
                    self._documents.replace(msgspec.structs.replace(before, last_used_at=now))
        except (CoreError, OSError) as error:
            log.warning("the last use of %s could not be written: %s", token_id, error)

    @property
    def _documents(self) -> Documents[TokenUse]:
        return self._workspace.database(DATABASE).documents("uses", TokenUse, "token_id")
