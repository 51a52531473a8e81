"""The path of every change: looked up in a thread, offered in a dialog, carried out in a thread, reported."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial

from console.context import ConsoleControls
from console.dialogs.change import ChangeDialog, Confirmed
from console.dialogs.text import TextDialog
from console.presentation.offer import AskAgainError, Offer
from console.presentation.phrases import BUG
from console.runtime.background import in_background
from console.verbs.catalog import keys_of_changes
from console.verbs.several import PartlyDoneError
from core.errors import ConflictError, CoreError
from core.state.errors import LockHeldError
from core.state.file_lock import tell_waiting
from widgets.line import Line

log = logging.getLogger("bondx.console")


class Changes:
    """Offers the changes of one console: exactly the state shown at the key press is acted on."""

    def __init__(self, app: ConsoleControls) -> None:
        self._app = app
        self._under_way: dict[Future[str | None], str] = {}
        """What each confirmed change is doing; its future gives the sentence that reports it, or None if it failed."""

    @property
    def under_way(self) -> str:
        """Say which confirmed changes have not ended yet; "" if all have."""
        return " ".join(self._under_way.values())

    async def all_done(self) -> str | None:
        """Wait until the confirmed changes have ended.

        Returns:
            The sentences that report them; None if one was refused, or is asked again.
        """
        awaited = tuple(self._under_way)
        await asyncio.to_thread(wait, awaited)  # in a thread: a second `q` cancels this wait, and no change with it
        told = [ended.result() for ended in awaited]
        return None if None in told else " ".join(filter(None, told))

    def offer(
        self,
        look: Callable[[], Offer],
        *,
        then: Callable[[], object] | None = None,
        again: bool = False,
        key: str = "",
    ) -> None:
        """Open the dialog of a change.

        Args:
            look: Looks up the change; runs in a thread.
            then: Called once the change has been carried out.
            again: The question follows a `Y` that answered an older one, and that may still be held down.
            key: The key of the change: held down, it is not taken for the key of another change.
        """

        before = tuple(self._under_way)

        def look_afterwards() -> Offer:
            wait(before)  # a change confirmed a moment ago is still being carried out: the plan must know it
            return look()

        def answered(confirmed: Confirmed | None) -> None:
            if confirmed is not None:
                ended: Future[str | None] = Future()
                self._under_way[ended] = confirmed.offer.under_way
                in_background(self._app, partial(self._carry_out, confirmed, then, ended, key))

        # Pushed immediately: the next key already belongs to the dialog, which ignores it.
        others = keys_of_changes(self._app.keymap.key_of) - {key}
        self._app.push_screen(ChangeDialog(look_afterwards, again=again, other_keys=others), answered)

    async def _carry_out(
        self, confirmed: Confirmed, then: Callable[[], object] | None, ended: Future[str | None], key: str
    ) -> None:
        commit, done = confirmed.offer.commit, None
        if commit is None:
            self._end(ended, "")
            return
        self._app.say(confirmed.offer.under_way, "muted")  # a promotion tries the version first, for seconds
        loop = asyncio.get_running_loop()

        def say_waiting(sentence: str) -> None:
            loop.call_soon_threadsafe(self._app.say, sentence, "warn")

        tell_waiting.set(say_waiting)  # the thread below inherits it
        try:
            try:
                done = await asyncio.to_thread(commit, confirmed.reason)
            finally:
                self._end(ended, done)
        except AskAgainError as error:
            self._app.say("")
            self.offer(error.look, then=then, again=True, key=key)
        except LockHeldError as error:
            self._refuse("Nothing was changed: the files are locked", error)
        except PartlyDoneError as error:
            self._refuse(f"{error.n_done} of {error.n_all} done", error)
        except ConflictError as error:
            self._refuse("Nothing was changed: someone else changed it first", error)
        except CoreError as error:
            self._refuse("Nothing was changed", error)
        except Exception:
            log.exception("A change could not be carried out.")
            self._app.say(f"{BUG} Check before you try again.", "bad")
        else:
            self._app.say(done, "good")
            if then is not None:
                then()
        if confirmed.offer.settle is not None:
            confirmed.offer.settle()

    def _end(self, ended: Future[str | None], told: str | None) -> None:
        self._under_way.pop(ended, None)
        ended.set_result(told)

    def _refuse(self, title: str, error: CoreError) -> None:
        self._app.say("")
        lines = [Line(((line, ""),)) for line in str(error).splitlines()]
        self._app.push_screen(TextDialog(title, lines, is_warning=True))
