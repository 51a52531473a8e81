"""The end of a console whose account may no longer have it, whatever the console or its terminal is doing."""

import os
import threading
from collections.abc import Callable

from core.errors import ExitCode
from core.governance.attached_consoles import ConsoleAdmission

ASKED_EVERY_SECONDS = 1.0
LEAVES_WITHIN_SECONDS = 2.0  # a terminal that takes nothing more would hold a console in its last drawing


class AdmissionWatch(threading.Thread):
    """Asks once a second whether an account may still look; if not, the console leaves, or its process ends."""

    def __init__(
        self,
        admission: ConsoleAdmission,
        leave: Callable[[str], None],
        *,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """Prepare.

        Args:
            admission: The right.
            leave: Lets the console leave, with the reason.
            end: Ends the process.
        """
        super().__init__(name="admission", daemon=True)
        self._admission = admission
        self._leave = leave
        self._end = end
        self._pause = threading.Event()

    def run(self) -> None:
        """Ask until the right has ended."""
        while (refusal := self._admission.refusal()) is None:
            self._pause.wait(ASKED_EVERY_SECONDS)
        threading.Thread(target=self._leave, args=(refusal,), name="admission-ended", daemon=True).start()
        self._pause.wait(LEAVES_WITHIN_SECONDS)
        self._end(ExitCode.REFUSED)
