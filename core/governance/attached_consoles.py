"""Whether an account may have a console on a workspace of another account: asked at the door, and while it is open."""

import logging
import socket

from core.access import DATABASE, AccessRefusedError, AccessRules, Door
from core.access.peers import HIDDEN
from core.actor import Actor, Origin
from core.clock import Clock, utc_now
from core.errors import CoreError, RefusedError
from core.governance.audit import audited, record_refusal
from core.state import Workspace

_ATTACH = "console.attach"
log = logging.getLogger(__name__)


class ConsoleAdmission:
    """The right of one account to look at a whole workspace. What it changes is judged by core, as everybody's is."""

    def __init__(self, workspace: Workspace, account: str, *, clock: Clock = utc_now) -> None:
        """Ask nothing yet.

        Args:
            workspace: The workspace.
            account: The account, as the kernel names it.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock
        self._door = Door(workspace, clock=clock)
        self.actor = Actor(account, socket.gethostname(), Origin.CONSOLE)

    def enter(self) -> None:
        """Record that the account opens a console, or that it may not.

        Raises:
            RefusedError: It may not.
        """
        try:
            self._require(self._door.rules())
            with audited(self._workspace, DATABASE, actor=self.actor, clock=self._clock) as change:
                change.record(_ATTACH, self.actor.name)
        except AccessRefusedError as refusal:
            record_refusal(self._workspace, refusal, actor=self.actor, clock=self._clock)
            raise RefusedError(
                f"{refusal} A console shows the whole workspace: an admin grants that with "
                f"`bondx access grant user:{self.actor.name} operator`."
            ) from None
        except (CoreError, OSError) as error:  # a full disk must not keep anybody from looking at it
            if (why := self.refusal()) is not None:
                raise RefusedError(why) from None
            log.error("The console of %s could not be recorded: %s", self.actor.name, error)

    def refusal(self) -> str | None:
        """Say why the account may have a console no longer; None if it may."""
        try:
            self._require(self._door.rules())
            decision = self._door.may(self.actor, _ATTACH)
        except CoreError as error:
            return str(error)
        return None if decision.is_allowed else f"{self.actor.name} may have no console here: {decision.reason}."

    def _require(self, rules: AccessRules) -> None:
        """Refuse whom no grant can name, and in a workspace without grants everybody but its owner.

        Raises:
            AccessRefusedError: It is one of these.
        """
        account = self.actor.name
        if account == HIDDEN:
            why = (
                "The kernel does not say whose console this is: the engine runs in a user namespace of its own "
                "(PrivateUsers= of systemd, a container)."
            )
            raise AccessRefusedError(why, verb=_ATTACH, object=account)
        if rules.keeps_out(account):
            raise AccessRefusedError(f"{account} has no role here.", verb=_ATTACH, object=account)
