"""A recording of the console in a terminal, of a minute: `python -m tools.recording console.cast`.

The installed console runs in a terminal of its own on the demo workspace, and keys are pressed as a person would. The
file is an asciicast of version 2: `asciinema play console.cast`, or any player of the format on a page.
"""

import argparse
import codecs
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.clock import utc_now
from core.state import Lease, Workspace
from tools.demo import OPERATOR, make_demo
from tools.demo_retraining import retrain_demo
from tools.demo_stress import stress_demo
from tools.demo_views import view_demo

COLUMNS, ROWS = 120, 36
SECONDS = 60.0
_ESC, _ENTER, _TAB = "\x1b", "\r", "\t"
SCENES: tuple[tuple[str, ...], ...] = (
    ("2", "j", "d", _ESC),  # a session, and its details
    ("2", "v", "h", "h", _ESC),  # its charts
    ("3", "/", *"spread", _ENTER, "d", _ESC, "t", _ESC),  # the registry: a version, where it comes from
    ("4", "w", _ESC, "d", _ESC),  # a rollout: why it waits, and its evidence
    ("5", "d", _ESC),  # an alert, and what it rests on
    ("6", "w", _ESC),  # drift: what has moved
    ("8", _ENTER, "j", "j", _ESC),  # a stress test
    ("9", "j", "d", _ESC),  # the audit log
    (":", *"view spread-desk", _ENTER),  # a screen that a desk has made for itself
    ("?", _ESC, "1"),
)
"""Keys by scene; each scene gets its share of the time, and its last screen stays for half of that."""

# What a terminal answers to the questions of an application; unanswered, each would cost a time-out.
_ANSWERS = (
    (re.compile(rb"\x1b\[\?(\d+)\$p"), lambda match: b"\x1b[?%s;2$y" % match[1]),
    (re.compile(rb"\x1b\[c"), lambda _: b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[6n"), lambda _: b"\x1b[1;1R"),
)


class Recorder:
    """A program in a terminal, and what it writes there, by time."""

    def __init__(self, command: Sequence[str]) -> None:
        self.events: list[tuple[float, str, str]] = []
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._begin: float | None = None
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor"})
            os.execvp(command[0], list(command))
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    @property
    def has_begun(self) -> bool:
        """Whether the program has written anything yet."""
        return self._begin is not None

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._terminal, key.encode())

    def watch(self, seconds: float) -> None:
        """Record for some seconds; less at the end of the program."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._terminal], [], [], left)[0]:
                return
            try:
                content = os.read(self._terminal, 1 << 16)
            except OSError:
                return
            if not content:
                return
            for question, answer in _ANSWERS:
                for match in question.finditer(content):
                    os.write(self._terminal, answer(match))
            now = time.monotonic()
            self._begin = now if self._begin is None else self._begin
            if text := self._text.decode(content):
                self.events.append((round(now - self._begin, 6), "o", text))

    def end(self) -> None:
        """End the program."""
        os.kill(self._pid, signal.SIGTERM)
        os.close(self._terminal)
        os.waitpid(self._pid, 0)


def record(command: Sequence[str], seconds: float) -> Iterator[str]:
    """Run a console, press the keys of the scenes, and yield the lines of the recording."""
    recorder = Recorder(command)
    try:
        until = time.monotonic() + SECONDS
        while not recorder.has_begun and time.monotonic() < until:  # it starts before the time does
            recorder.watch(1.0)
        of_scene = seconds / (len(SCENES) + 1)
        recorder.watch(of_scene)
        for scene in SCENES:
            end = time.monotonic() + of_scene
            for key in scene:
                recorder.press(key)
                recorder.watch(of_scene / 2 / len(scene))
            recorder.watch(end - time.monotonic())
    finally:
        recorder.end()
    header = {
        "version": 2,
        "width": COLUMNS,
        "height": ROWS,
        "title": "BondX Console",
        "env": {"TERM": "xterm-256color"},
    }
    yield json.dumps(header)
    yield from (json.dumps(event, ensure_ascii=False) for event in recorder.events)


def main(arguments: list[str] | None = None) -> int:
    """Write the recording."""
    parser = argparse.ArgumentParser(prog="python -m tools.recording", description=__doc__)
    parser.add_argument("file", type=Path, help="file for the recording, such as console.cast")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"length ({SECONDS:g})")
    options = parser.parse_args(arguments)
    now = utc_now()
    with tempfile.TemporaryDirectory() as scratch:
        workspace: Workspace = make_demo(Path(scratch) / "desk-risk", now=now)
        stress_demo(workspace, now)
        retrain_demo(workspace, now)
        view_demo(workspace, now)
        lease = Lease.acquire(workspace, OPERATOR, "headless")  # as if an engine were running
        command = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "--read-only"]
        lines = list(record(command, options.seconds))
        lease.release()
    options.file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{options.file}: {json.loads(lines[-1])[0]:.0f} s, {len(lines) - 1} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
