"""Whether Ctrl+Z may suspend a console: everything that runs in its process would stop with it."""

import os
from collections.abc import Callable

from console.presentation.keys import sign_of
from console.runtime.engine_host import Hosting


def refusal_to_suspend(
    hosting: Hosting,
    *,
    serves_at: str | None = None,
    under_way: str = "",
    has_shell: Callable[[], bool] | None = None,
) -> str:
    """Say why the console cannot be suspended; "" if it can be.

    Args:
        hosting: The relation of the console to the engine.
        serves_at: Where this process serves predictions, if it does.
        under_way: What the confirmed changes that have not ended are doing; they hold locks of files.
        has_shell: Whether a shell waits that can resume it; by default the terminal is asked.

    >>> refusal_to_suspend(Hosting.ATTACHED, has_shell=lambda: True)
    ''
    """
    if hosting not in (Hosting.NONE, Hosting.ATTACHED):
        return (
            f"The engine runs in this console and would stop with it. {sign_of('console.quit')} leaves; "
            "`bondx run --headless` runs an engine that does not need a console."
        )
    if serves_at:
        return f"This console serves predictions at {serves_at}: while suspended, it answers no requests."
    if under_way:
        return f"{under_way} The console can be suspended once that has ended."
    if not (has_shell or has_job_control)():
        return f"No shell waits that could resume this console. {sign_of('console.quit')} leaves."
    return ""


def has_job_control() -> bool:
    """Whether an interactive shell started this process: it gives each job a process group of its own."""
    return os.getpgrp() != os.getsid(0)
