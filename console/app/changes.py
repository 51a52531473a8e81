"""Every change goes through here: looked up in a thread, offered in a dialog, carried out in a thread, told."""

import asyncio
import logging
from collections.abc import Callable

from console.app.offers import Offers
from console.context import ConsoleControls
from console.dialogs.change import ChangeDialog, Confirmed
from console.dialogs.text import TextDialog
from console.presentation.offers import Offer
from console.presentation.rollout_offers import Ask
from core.alerts import Alert
from core.errors import ConflictError, CoreError
from core.registry import Stage
from core.rollout import Rollout, Strategy
from core.training.session import Desired, Session
from widgets.line import Line

log = logging.getLogger("bondx.console")


class Changes:
    """Offers the changes of one console. What an operator saw when the key was pressed is what gets carried out."""

    def __init__(self, app: ConsoleControls) -> None:
        self._app = app
        self._offers = Offers(app.workspace, app.actor, app.glyphs)

    def promote(self, model: str, version: str, stage: Stage | None = None) -> None:
        """Offer to move a version one stage up."""
        self._offer(lambda: self._offers.promotion(model, version, stage))

    def roll_back(self, model: str) -> None:
        """Offer to go back to the version that was live before."""
        self._offer(lambda: self._offers.rollback(model))

    def undo(self, model: str) -> None:
        """Offer to take the last move of a model back."""
        self._offer(lambda: self._offers.undo(model))

    def archive(self, model: str, version: str) -> None:
        """Offer to put a version away."""
        self._offer(lambda: self._offers.archiving(model, version))

    def start_rollout(self, model: str, candidate: str, strategy: Strategy = Strategy.CANARY) -> None:
        """Offer to move a model's traffic to a version, judged on the way."""
        has_engine = self._app.has_engine
        self._offer(lambda: self._offers.rollout_start(model, candidate, strategy, has_engine=has_engine))

    def ask_rollout(self, rollout: Rollout, ask: Ask) -> None:
        """Offer to go a step further, hold, resume or take back a rollout."""
        has_engine = self._app.has_engine
        self._offer(lambda: self._offers.rollout(rollout, ask, has_engine=has_engine))

    def ask_session(self, session: Session, desired: Desired) -> None:
        """Offer to hold, resume or stop a session."""
        has_engine = self._app.has_engine
        self._offer(lambda: self._offers.session(session, desired, has_engine=has_engine))

    def start_session(self) -> None:
        """Offer to start a session."""
        has_engine = self._app.has_engine
        self._offer(lambda: self._offers.start(has_engine=has_engine))

    def acknowledge(self, alert: Alert) -> None:
        """Offer to take an alert on."""
        self._offer(lambda: self._offers.acknowledgement(alert))

    def leave(self, session: Session | None, stop: Callable[[], None], *, then: Callable[[], object]) -> None:
        """Offer to stop the engine in this console and leave."""
        self._offer(lambda: self._offers.leaving(session, stop), then=then)

    def _offer(self, look: Callable[[], Offer], *, then: Callable[[], object] | None = None) -> None:
        def answered(confirmed: Confirmed | None) -> None:
            if confirmed is not None:
                self._app.run_worker(self._carry_out(confirmed, then))

        # Pushed here and now: a key typed right behind this one already belongs to the dialog, which ignores it.
        self._app.push_screen(ChangeDialog(look), answered)

    async def _carry_out(self, confirmed: Confirmed, then: Callable[[], object] | None) -> None:
        commit = confirmed.offer.commit
        if commit is None:
            return
        try:
            done = await asyncio.to_thread(commit, confirmed.reason)
        except ConflictError as error:
            self._refuse("Nothing was changed: somebody was faster", error)
        except CoreError as error:
            self._refuse("Nothing was changed", error)
        except Exception:
            log.exception("A change could not be carried out.")
            self._app.say("A bug in bondx stopped this; logs/console.log has it. Look before you try again.", "bad")
        else:
            self._app.say(done, "good")
            if then is not None:
                then()

    def _refuse(self, title: str, error: CoreError) -> None:
        self._app.push_screen(TextDialog(title, [Line(((str(error), ""),))], is_warning=True))
