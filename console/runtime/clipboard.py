"""Copy over SSH: through tmux where the console runs inside it, else by OSC 52, which no terminal confirms."""

import base64
import subprocess
from collections.abc import Mapping

# Terminals cut OSC 52 off silently beyond this (xterm at 100 kB of base64, others earlier).
MAX_BYTES = 74_000
TMUX_SECONDS = 5.0
_WITHOUT_CLIPBOARD = frozenset({"", "linux", "dumb", "vt52", "vt100", "vt102", "vt220", "ansi", "cons25"})


def copy_in_tmux(text: str) -> str | None:
    """Put a text into tmux's paste buffer, and let tmux send it on to the operator's terminal.

    Inside tmux an escape sequence of ours is lost: `set-clipboard external`, the default, drops OSC 52 from programs.
    `load-buffer -w` is tmux's own way, and its exit code is an answer.

    Returns:
        What happened, in words; None if tmux refused.
    """
    if _tmux("load-buffer", "-w", "-", given=text) is not None:
        passes_on = (_tmux("show-options", "-sv", "set-clipboard") or "").strip() != "off"
        return "Copied into tmux, and sent to the terminal" if passes_on else "Copied into tmux (prefix ] pastes it)"
    if _tmux("load-buffer", "-", given=text) is not None:  # before 3.2, without -w
        return "Copied into tmux (prefix ] pastes it)"
    return None


def _tmux(*arguments: str, given: str = "") -> str | None:
    """Run tmux and return its output; None if it fails."""
    try:
        done = subprocess.run(
            ["tmux", *arguments], input=given, capture_output=True, text=True, check=True, timeout=TMUX_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def osc52(text: str, environ: Mapping[str, str]) -> str | None:
    """Spell the escape sequence that asks the operator's terminal to take a text; nothing tells whether it did.

    Args:
        text: What to copy.
        environ: The environment; TERM says what lies between.
    Returns:
        The sequence, or None when the text is too long for terminals to take, or the terminal has no clipboard.

    >>> osc52("a", {"TERM": "xterm-256color"})
    '\\x1b]52;c;YQ==\\x07'
    """
    term = environ.get("TERM", "")
    content = text.encode()
    if len(content) > MAX_BYTES or term in _WITHOUT_CLIPBOARD:
        return None
    plain = f"\x1b]52;c;{base64.b64encode(content).decode()}\a"
    if term.startswith("tmux"):  # the operator's tmux, on the other side of SSH, by its passthrough envelope
        doubled = plain.replace("\x1b", "\x1b\x1b")
        return f"{plain}\x1bPtmux;{doubled}\x1b\\"
    if term.startswith("screen"):
        return f"\x1bP{plain}\x1b\\"
    return plain
