"""The playground: a version of a model of language writes behind a prompt, and its text comes token by token."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer

from console.dialogs.dialog import FullScreenDialog
from console.presentation.phrases import BUG, counted
from console.runtime.background import OpenedHere, in_background
from core.errors import CoreError, UsageError
from core.state import Workspace
from core.text.sampling import MAX_PROMPT_CHARACTERS, SYNTHETIC_TEXT, SamplingOptions, sampling_options
from core.text.writing_wire import PromptWeighed, TextPiece, WriterFailed, WritingAnswer, WritingEnded
from core.training.text_writing import banner_of_version, open_writer
from core.typed_numbers import decimal_number, whole_number
from widgets.field import TextField
from widgets.line import Line, clean, key_line
from widgets.lines_pane import Caption, LinesPane
from widgets.textual_internals import character_of

log = logging.getLogger("bondx.console")

TICK_SECONDS = 0.1
"""How often text that has come is drawn; between documents nothing ticks."""
_FIELDS = (
    ("temperature", "temperature", "1.0", 9),
    ("top-p", "top_p", "1.0", 9),
    ("tokens", "max_tokens", "64", 5),
    ("seed", "seed", "42", 10),
    ("stop", "stop", "", 200),
)
_ENDS = {
    "end": "ended by the model",
    "stop": "ended by the stop text",
    "length": "ended by the limit of tokens",
    "stopped": "stopped",
}
_PROMPT = "playground-prompt"


class Writer(Protocol):
    """What writes: `WritingProcess`, or what a test puts in its place."""

    answers: deque[WritingAnswer]

    def write(self, prompt: str, options: SamplingOptions) -> int:
        """Begin a document, and return the number of its answers."""

    def stop(self) -> None:
        """End the document that is being written."""

    def close(self) -> None:
        """End the process."""


@dataclass(slots=True)
class _Writing:
    """The document that is shown.

    Attributes:
        number: The number of its order.
        prompt: How it begins.
        text: What was written so far.
        newest: What its process has said last.
        weighed: What the prompt weighs, once it was read.
    """

    number: int
    prompt: str
    text: list[str] = field(default_factory=list)
    newest: WritingAnswer | None = None
    weighed: PromptWeighed | None = None

    @property
    def is_going(self) -> bool:
        """Whether more is to come."""
        return not isinstance(self.newest, WritingEnded | WriterFailed)


class AskField(TextField):
    """A field of the playground: it takes every character, and refuses a paste that is longer than it may be."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Take every key that is a character."""
        return super().check_consume_key(key, character or character_of(key))

    def on_paste(self, event: events.Paste) -> None:
        """Take the lines of a paste as one; a text that does not fit is refused whole, not cut."""
        event.stop()
        event.prevent_default()
        lines = event.text.splitlines()
        text = clean(" ".join(lines), replacement="")
        room = (self.max_length or 0) - len(self.value) + len(self.selected_text)
        dialog = self.screen
        assert isinstance(dialog, PlaygroundDialog)
        if len(text) > room:
            dialog.say(f"The pasted text has {len(text):,} characters; there is room for {max(room, 0):,}.", "bad")
            return
        self.replace(text, *self.selection)
        if len(lines) > 1:
            dialog.say("Line breaks of the pasted text became blanks: a document has one line.", "warn")


class PlaygroundDialog(FullScreenDialog):
    """Writes with one version. Nothing is recorded or counted."""

    AUTO_FOCUS = f"#{_PROMPT}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next field", show=False),
        Binding("shift+tab", "app.focus_previous", "Previous field", show=False),
        Binding("enter", "write", "Write", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]

    def __init__(
        self,
        model: str,
        version: str,
        workspace: Workspace,
        opened: Callable[..., "Writer"] = open_writer,
    ) -> None:
        """Take the version; `opened` opens it, in a process of its own unless a test says otherwise.

        It calls `started` with the process as soon as there is one, so that a playground that is left while the version
        is loaded ends the process.
        """
        super().__init__()
        self._version = (model, version)
        self._workspace = workspace
        self._open = opened
        self._opened_here = OpenedHere()
        self._process: Writer | None = None
        self._writing: _Writing | None = None
        self._banner = SYNTHETIC_TEXT
        self._problem = ""
        self._ticks: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """Yield the banner, the prompt, the settings, the text, the state and the keys."""
        yield Caption(id="playground-banner")
        with Horizontal(classes="asked"):
            yield Caption(classes="label -prompt")
            yield AskField(id=_PROMPT, entered=self._entered, max_length=MAX_PROMPT_CHARACTERS)
        with Horizontal(classes="asked"):
            for _, name, value, longest in _FIELDS:
                yield Caption(classes=f"label -{name}")
                yield AskField(value, id=f"playground-{name}", entered=self._entered, max_length=longest)
        yield LinesPane(id="playground-text")
        yield Caption(id="playground-state")
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Load the version."""
        model, version = self._version
        self.entitle(f"Playground: {model} {version}")
        for label, name, *_ in (("prompt", "prompt"), *_FIELDS):
            self.query_one(f".label.-{name}", Caption).show([Line(((label, "muted"),))])
        self._ticks = self.set_interval(TICK_SECONDS, self._take_answers, pause=True)
        self._show()
        self.become_readable()
        in_background(self, self._load)

    def on_unmount(self) -> None:
        """End the process that writes, or that is still loading the version."""
        self._opened_here.close()

    async def _load(self) -> None:
        try:
            self._banner = await asyncio.to_thread(banner_of_version, self._workspace, *self._version)
            self._process = await asyncio.to_thread(
                self._open,
                self._workspace,
                *self._version,
                actor=self.context.actor,
                started=self._opened_here.add,
            )
        except (CoreError, OSError) as error:
            self._problem = str(error)
        except Exception:
            log.exception("A version could not be opened in the playground.")
            self._problem = BUG
        if self.is_open:
            self._show()

    def _entered(self, _text: str) -> None:
        self.action_write()

    def action_write(self) -> None:
        """Let it write behind the prompt; a document that is being written ends."""
        if self._process is None:
            self.say(self._problem or "The version is not loaded yet.", "warn")
            return
        try:
            options = self._options()
        except UsageError as error:
            self.say(str(error), "bad")
            return
        self.say("")
        prompt = self.query_one(f"#{_PROMPT}", AskField).value
        self._writing = _Writing(self._process.write(prompt, options), prompt)
        if self._ticks is not None:
            self._ticks.resume()
        self._show()

    def _options(self) -> SamplingOptions:
        """Read the fields.

        Raises:
            UsageError: One of them is no value of its kind.
        """
        typed = {name: self.query_one(f"#playground-{name}", AskField).value for _, name, _, _ in _FIELDS}
        with _named("temperature"):
            temperature = decimal_number(typed["temperature"].strip())
        with _named("top-p"):
            top_p = decimal_number(typed["top_p"].strip())
        with _named("tokens"):
            max_tokens = whole_number(typed["max_tokens"].strip())
        with _named("seed"):
            seed = whole_number(typed["seed"].strip())
        stop = (typed["stop"],) if typed["stop"] else ()
        labels = {name: label for label, name, *_ in _FIELDS}
        return sampling_options(
            named=labels.__getitem__, temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed, stop=stop
        )

    def action_cancel(self) -> None:
        """End the document that is being written; without one, leave."""
        if self._process is not None and self._writing is not None and self._writing.is_going:
            self._process.stop()
        else:
            self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the text, under its notice: what is pasted elsewhere must not pass for a fact."""
        written = self._writing
        self.context.copy("" if written is None else f"{self._banner}\n{written.prompt}{''.join(written.text)}")

    def _take_answers(self) -> None:
        process, writing = self._process, self._writing
        if process is None or writing is None:
            return
        while process.answers:
            answer = process.answers.popleft()
            if isinstance(answer, WriterFailed):
                self._problem, self._process = answer.problem, None
                process.close()
            elif getattr(answer, "number", 0) != writing.number:
                continue
            if isinstance(answer, PromptWeighed):
                writing.weighed = answer
            elif isinstance(answer, TextPiece):
                writing.text.append(answer.text)
            writing.newest = answer
        if not writing.is_going and self._ticks is not None:
            self._ticks.pause()
        self._show()

    def _show(self) -> None:
        self.query_one("#playground-banner", Caption).show([Line(((self._banner, "warn"),))])
        pane, written = self.query_one("#playground-text", LinesPane), self._writing
        if written is not None:
            first, *others = "".join(written.text).split("\n")
            begun = Line((("", ""), (written.prompt, "muted"), (first, "")))  # a first span that ends blank is a label
            pane.show([begun, *(Line(((each, ""),)) for each in others)])
            pane.action_scroll_lines(1_000_000)
        self.query_one("#playground-state", Caption).show([self._state()])
        escape = "stops" if written is not None and written.is_going and self._process is not None else "closes"
        self.hint(key_line(("Enter", "writes"), ("Tab", "next field"), ("Esc", escape), ("y", "copies the text below")))

    def _state(self) -> Line:
        if self._problem:
            return Line(((self._problem, "bad"),))
        if self._process is None:
            return Line((("loading the version…", "muted"),))
        if (written := self._writing) is None:
            return Line((("ready", "good"), ("  nothing is recorded or counted", "muted")))
        weighed = written.weighed
        nats = [] if weighed is None else _nats("prompt", weighed.nats, weighed.n_tokens)
        match written.newest:
            case TextPiece(n_tokens=n, seconds=seconds):
                return Line((("writing", "accent"), (_measured(n, seconds, nats), "")))
            case WritingEnded(finish=finish, n_tokens=n, seconds=seconds):
                nats += [] if written.newest.nats is None else _nats("text", written.newest.nats, n)
                tone = "warn" if finish == "stopped" else "good"
                return Line(((_ENDS[finish], tone), (_measured(n, seconds, nats), "")))
            case _:
                return Line((("reading the prompt", "accent"),))


@contextmanager
def _named(field_name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{field_name}: {error}.") from None


def _measured(n_tokens: int, seconds: float, nats: Sequence[str]) -> str:
    speed = f"  {n_tokens / seconds:,.0f} tokens/s" if n_tokens and seconds > 0 else ""
    weights = f"  {', '.join(nats)} nats a token" if nats else ""
    return f"  {counted(n_tokens, 'token')}{speed}{weights}"


def _nats(label: str, nats: float, n_tokens: int) -> list[str]:
    return [f"{label} {nats / n_tokens:.3f}"] if n_tokens else []
