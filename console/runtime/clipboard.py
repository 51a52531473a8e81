"""Copy over SSH: OSC 52, wrapped for tmux and screen, which swallow it otherwise."""

import base64
from collections.abc import Mapping

# Terminals cut OSC 52 off silently beyond this (xterm at 100 kB of base64, others earlier).
MAX_BYTES = 74_000


def osc52(text: str, environ: Mapping[str, str]) -> str | None:
    """Spell the escape sequence that puts a text on the operator's own clipboard.

    Inside tmux the sequence is sent twice: plain, which tmux takes itself where `set-clipboard` is on, and in
    its passthrough envelope, which reaches the outer terminal where `allow-passthrough` is on.

    Args:
        text: What to copy.
        environ: The environment; TMUX and TERM say what lies between.
    Returns:
        The sequence, or None when the text is too long for terminals to take.

    >>> osc52("a", {})
    '\\x1b]52;c;YQ==\\x07'
    """
    content = text.encode()
    if len(content) > MAX_BYTES:
        return None
    plain = f"\x1b]52;c;{base64.b64encode(content).decode()}\a"
    if environ.get("TMUX"):
        doubled = plain.replace("\x1b", "\x1b\x1b")
        return f"{plain}\x1bPtmux;{doubled}\x1b\\"
    if environ.get("TERM", "").startswith("screen"):
        return f"\x1bP{plain}\x1b\\"
    return plain


def is_certain(environ: Mapping[str, str]) -> bool:
    """Return whether nothing between here and the operator's terminal can swallow the sequence."""
    return not environ.get("TMUX") and not environ.get("TERM", "").startswith("screen")
