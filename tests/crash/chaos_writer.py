"""A writer of the chaos run: one action after the other, noted outside of the workspace once it is acknowledged."""

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MODEL, VERSION = "spread", "1.0.0"
LONG = timedelta(days=200)  # of silences: beyond every jump of the clock, and below a year
N_VIEWS = 3
N_SILENCES = 50
REST_SECONDS = 0.02
ANSWER_SECONDS = 5.0

Action = tuple[str, str, str]
"""The verb of the audit log, its object, and the value that the object has afterwards."""


class Ledger:
    """What one writer tried, and how each try ended, a line each, durable before the next try."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._out = file.open("a")

    def note(self, n: int, outcome: str, action: Action, told: str = "") -> None:
        """Write one line; an acknowledgement counts from here on."""
        verb, name, value = action
        line = {"n": n, "outcome": outcome, "verb": verb, "object": name, "value": value, "told": told}
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()
        os.fsync(self._out.fileno())


def read_ledger(file: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a ledger; the last one of a killed writer may be torn."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]


def reason_of(writer: str, n: int) -> str:
    """Return the reason of an action, by which the audit log is searched for it."""
    return f"chaos {writer} {n}"


def write_until_told(workspace: str, ledger: str, writer: str, address: str, token: str) -> int:
    """Act until SIGTERM; through the control API at an address, else in this process."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    file = Path(ledger)
    torn = file.exists() and not file.read_text().endswith("\n") and file.stat().st_size
    book = Ledger(file)
    if torn:
        os.write(book._out.fileno(), b'{"n": -1, "outcome": "torn"}\n')
    tried = [line["n"] for line in read_ledger(file) if line["n"] >= 0]
    n = max(tried, default=-1) + 2  # the try at which it was killed may have been acknowledged to nobody
    act = through_api(address, token) if address else in_process(Path(workspace))
    while not over.wait(REST_SECONDS):
        action, do = act(writer, n)
        outcome, told = do()
        book.note(n, outcome, action, told)
        n += 1
    return 0


def in_process(root: Path) -> Callable[[str, int], tuple[Action, Callable[[], tuple[str, str]]]]:
    """Return what makes the n-th action of a writer through core."""
    from core.actor import Actor, Origin
    from core.alerts.selecting import read_matchers
    from core.alerts.silences import Silences
    from core.errors import CoreError
    from core.registry import Registry
    from core.saved_views import SavedViews, checked_view
    from core.state import Workspace
    from core.tracking import Runs, RunStatus

    workspace = Workspace.open(root)
    actor = Actor("chaos", "localhost", Origin.COMMAND_LINE)

    earlier: list[str] = []  # of silences: a workspace has room for a bounded number of them

    def silence(name: str, value: str, reason: str) -> None:
        silences = Silences(workspace)
        added = silences.add(read_matchers(f'team="{name}"'), actor, comment=reason, ends_at=datetime.now(UTC) + LONG)
        earlier.append(added.silence_id)
        if len(earlier) > N_SILENCES:
            with suppress(CoreError, OSError):
                silences.expire(earlier.pop(0), actor)

    def view(name: str, value: str, reason: str) -> None:
        wanted = checked_view(name, {"title": value, "panes": ["alerts"]})
        SavedViews(workspace).save([wanted], actor=actor, reason=reason, replace=True)

    def tag(name: str, value: str, reason: str) -> None:
        Registry(workspace).set_tags(MODEL, VERSION, {name: value}, actor=actor, reason=reason)

    def alias(name: str, value: str, reason: str) -> None:
        Registry(workspace).set_alias(MODEL, name, VERSION, actor=actor, reason=reason)

    def run(name: str, value: str, reason: str) -> None:
        runs = Runs(workspace)
        started = runs.start(name=name, actor=actor, parameters={"value": value}, reason=reason)
        runs.finish(started.run_id, RunStatus.FINISHED, actor=actor, reason=reason)

    kinds: tuple[tuple[str, Callable[[str, str, str], None]], ...] = (
        ("silence.add", silence),
        ("view.save", view),
        ("version.tag", tag),
        ("run.finish", run),
        ("alias.set", alias),
    )

    def act(writer: str, n: int) -> tuple[Action, Callable[[], tuple[str, str]]]:
        verb, change = kinds[n % len(kinds)]
        name = _name(verb, writer, n)

        def do() -> tuple[str, str]:
            try:
                change(name, str(n), reason_of(writer, n))
            except (CoreError, OSError) as error:
                return "refused", f"{type(error).__name__}: {error}"
            return "acknowledged", ""

        return (verb, name, str(n)), do

    return act


def through_api(address: str, token: str) -> Callable[[str, int], tuple[Action, Callable[[], tuple[str, str]]]]:
    """Return what makes the n-th action of a writer over HTTP. An answer that does not come decides nothing."""

    earlier: list[str] = []

    def ask(method: str, path: str, body: dict[str, Any]) -> tuple[str, str]:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        request = urllib.request.Request(
            f"{address}/api/v1/{path}", json.dumps(body).encode(), headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                answered = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return "refused", f"{error.code} {error.read()[:300]!r}"
        except Exception as error:
            return "unknown", f"{type(error).__name__}: {error}"
        if method == "POST" and path == "silences":
            earlier.append(answered["silence_id"])
            if len(earlier) > N_SILENCES:
                ask("POST", f"silences/{earlier.pop(0)}/expire", {})
        return "acknowledged", ""

    def act(writer: str, n: int) -> tuple[Action, Callable[[], tuple[str, str]]]:
        reason = reason_of(writer, n)
        verb = ("silence.add", "view.save", "version.tag", "alias.set")[n % 4]
        name = _name(verb, writer, n)
        silence = {"matchers": f'team="{name}"', "comment": reason, "ends_at": (datetime.now(UTC) + LONG).isoformat()}
        asked: dict[str, tuple[str, str, dict[str, Any]]] = {
            "silence.add": ("POST", "silences", silence),
            "view.save": ("PUT", f"views/{name}", {"title": str(n), "panes": ["alerts"], "reason": reason}),
            "version.tag": (
                "PATCH",
                f"models/{MODEL}/versions/{VERSION}/tags",
                {"tags": {name: str(n)}, "reason": reason},
            ),
            "alias.set": ("PUT", f"models/{MODEL}/aliases/{name}", {"version": VERSION, "reason": reason}),
        }
        method, path, body = asked[verb]
        return (verb, name, str(n)), lambda: ask(method, path, body)

    return act


def _name(verb: str, writer: str, n: int) -> str:
    """Name the object: silences and runs are new ones, the others are changed again and again."""
    return f"{writer}-{n}" if verb in ("silence.add", "run.finish") else f"{writer}-{n % N_VIEWS}"
