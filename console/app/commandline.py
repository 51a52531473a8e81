"""The `:` command line as pure functions: which commands there are, how a line is read, how it is completed."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.errors import UsageError
from core.view.snapshot import Snapshot


class Argument(StrEnum):
    """What kind of word a command takes; completion knows the choices of each."""

    MODEL = "MODEL"
    VERSION = "VERSION"
    STAGE = "STAGE"
    SESSION = "SESSION"
    ROLLOUT = "ROLLOUT"
    HELD = "SESSION-OR-ROLLOUT"
    STRATEGY = "STRATEGY"
    ALERT = "ALERT"
    THEME = "THEME"
    TIME = "TIME"
    EXPRESSION = "EXPRESSION"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, the words it takes, and how many of them it cannot do without."""

    name: str
    summary: str
    arguments: tuple[Argument, ...] = ()
    n_required: int = 0
    aliases: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """The command as one would type it, optional words in brackets."""
        words = [str(kind) if i < self.n_required else f"[{kind}]" for i, kind in enumerate(self.arguments)]
        return " ".join((self.name, *words))


@dataclass(frozen=True, slots=True)
class Call:
    """A command line that can be carried out."""

    command: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that exist now, by kind of argument."""

    models: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()  # (model, version), newest first
    sessions: tuple[str, ...] = ()
    rollouts: tuple[str, ...] = ()  # those that are being judged
    alerts: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    stages: tuple[str, ...] = ("Staging", "Production")
    strategies: tuple[str, ...] = ("canary", "blue_green", "ab", "shadow")

    @classmethod
    def of(cls, snapshot: Snapshot, themes: Sequence[str] = ()) -> "Vocabulary":
        """Collect the names in a snapshot."""
        return cls(
            models=tuple(model.model for model in snapshot.models),
            versions=tuple((v.model, v.version) for v in snapshot.versions),
            sessions=tuple(session.session_id for session in snapshot.sessions),
            rollouts=tuple(rollout.rollout_id for rollout in snapshot.rollouts if rollout.is_active),
            alerts=tuple(alert.fingerprint for alert in snapshot.alerts),
            themes=tuple(themes),
        )

    def choices(self, kind: Argument, before: Sequence[str]) -> tuple[str, ...]:
        """Return what may stand at a place, given the words before it."""
        if kind is Argument.VERSION:
            return tuple(version for model, version in self.versions if before and model == before[0])
        return {
            Argument.MODEL: self.models,
            Argument.SESSION: self.sessions,
            Argument.ROLLOUT: self.rollouts,
            Argument.HELD: (*self.sessions, *self.rollouts),
            Argument.STRATEGY: self.strategies,
            Argument.ALERT: self.alerts,
            Argument.THEME: self.themes,
            Argument.STAGE: self.stages,
        }.get(kind, ())


_A = Argument
COMMANDS = (
    Command("overview", "what is wrong and what is live"),
    Command("training", "sessions, epochs and gates"),
    Command("runs", "tracked runs, or those that match: metrics.mae < 0.2", (_A.EXPRESSION,)),
    Command("registry", "models and their versions"),
    Command("rollouts", "candidates against what is live"),
    Command("alerts", "what fires, and what to do"),
    Command("resources", "machine and processes"),
    Command("audit", "who changed what, and when"),
    Command("promote", "move a version one stage up", (_A.MODEL, _A.VERSION, _A.STAGE), 2),
    Command("rollback", "go back to the version that was live before", (_A.MODEL,), 1),
    Command("undo", "take the last promotion of a model back", (_A.MODEL,), 1),
    Command("archive", "put a version away", (_A.MODEL, _A.VERSION), 2),
    Command("canary", "move traffic to a version, judged on the way", (_A.MODEL, _A.VERSION, _A.STRATEGY), 2),
    Command("advance", "take a rollout one step further", (_A.ROLLOUT,), 1),
    Command("hold", "keep a rollout at its share", (_A.ROLLOUT,), 1),
    Command("abort", "return all traffic to the stable version", (_A.ROLLOUT,), 1),
    Command("diff", "compare two versions", (_A.MODEL, _A.VERSION, _A.VERSION), 3),
    Command("lineage", "what a version came from and went into, as a graph", (_A.MODEL, _A.VERSION)),
    Command("start", "start a training session with the workspace's settings"),
    Command("pause", "hold a session after its epoch", (_A.SESSION,), 1),
    Command("resume", "let a held session or rollout go on", (_A.HELD,), 1),
    Command("stop", "end a session after its epoch", (_A.SESSION,), 1),
    Command("acknowledge", "take an alert on", (_A.ALERT,), 1, aliases=("ack",)),
    Command("engine", "start an engine in this console, if none runs"),
    Command("arm", "allow writes"),
    Command("disarm", "forbid writes"),
    Command("past", "show the workspace as it was, at 02:50 or 2026-03-01T02:50 (UTC)", (_A.TIME,), 1),
    Command("now", "come back from the past, or let a frozen screen go on"),
    Command("theme", "choose the colours", (_A.THEME,), 1),
    Command("help", "the keys of this screen"),
    Command("quit", "leave", aliases=("q",)),
)
_MAX_CHOICES = 12
_BY_WORD = {word: command for command in COMMANDS for word in (command.name, *command.aliases)}


def parse(line: str) -> Call:
    """Read a command line.

    Raises:
        UsageError: There is no such command, or it takes other words.

    >>> parse("promote spread 1.4.0")
    Call(command='promote', arguments=('spread', '1.4.0'))
    """
    words = line.split()
    if not words:
        raise UsageError("Type a command, or Tab to see what there is.")
    command = _BY_WORD.get(words[0])
    if command is None:
        nearest = difflib.get_close_matches(words[0], _BY_WORD, n=1, cutoff=0.5)
        hint = f"did you mean :{nearest[0]}?" if nearest else "Tab shows what there is."
        raise UsageError(f"There is no command :{words[0]}; {hint}")
    arguments = tuple(words[1:])
    if command.arguments == (Argument.EXPRESSION,):  # all that follows, blanks within it as they are
        arguments = tuple(rest.rstrip() for rest in line.split(maxsplit=1)[1:])
    if not command.n_required <= len(arguments) <= len(command.arguments):
        raise UsageError(f"Usage: :{command.usage}")
    return Call(command.name, arguments)


def complete(line: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the whole lines that the one typed so far may become, best first.

    >>> complete("pro", Vocabulary())
    ('promote ',)
    >>> complete("rollback s", Vocabulary(models=("spread", "anomaly")))
    ('rollback spread',)
    """
    words = line.split()
    typed = "" if not words or line.endswith(" ") else words.pop()
    if not words:
        return tuple(f"{c.name} " if c.arguments else c.name for c in COMMANDS if c.name.startswith(typed))
    command = _BY_WORD.get(words[0])
    before = words[1:]
    if command is None or len(before) >= len(command.arguments):
        return ()
    is_last = len(before) + 1 >= len(command.arguments)
    head = " ".join(words)
    choices = vocabulary.choices(command.arguments[len(before)], before)
    return tuple(f"{head} {choice}{'' if is_last else ' '}" for choice in choices if choice.startswith(typed))


def every_line(vocabulary: Vocabulary) -> Iterator[tuple[str, Command]]:
    """Spell every command with every word it may take, for the palette; of many versions only the newest few."""
    for command in COMMANDS:
        lines = [(command.name,)]
        for index, kind in enumerate(command.arguments[: command.n_required]):
            lines = [
                (*line, choice)
                for line in lines
                for choice in vocabulary.choices(kind, line[1:])[:_MAX_CHOICES]
                if index < 2 or choice != line[-1]
            ]
        yield from ((" ".join(line), command) for line in lines)
