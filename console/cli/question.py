"""A question to the person at the terminal: nothing is drawn over it, or over the answer, until Enter."""

import sys

from console.cli.progress_line import paused


def can_ask() -> bool:
    """Whether somebody sits at the terminal who reads a question and can answer it."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask(question: str) -> str:
    """Ask the person at the terminal, and return the answer without the spaces around it."""
    with paused():
        print(question, end=" ", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()
