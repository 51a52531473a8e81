"""The playground: a version of a model of language writes behind a prompt, as one reads along."""

import shutil
import threading
from collections import deque

import pytest

from console.dialogs.playground import PlaygroundDialog
from core.actor import Actor, Origin
from core.errors import CoreError
from core.registry import Registry, Stage
from core.settings import Settings
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.text.sampling import BANNER, MAX_PROMPT_CHARACTERS, SamplingOptions, sampling_options, write_text
from core.text.training import train_text_model
from core.text.version import open_text_version
from core.text.writing_child import write_for
from core.text.writing_process import WriterFailedError, WritingProcess
from core.text.writing_wire import PromptWeighed, TextPiece, WriterFailed, WriterLoaded, WritingEnded, WritingOrder
from core.training.text_models import register_text_model
from core.training.text_writing import open_writer
from tests.console.picture import pictured as pictured
from tests.waiting import until

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
SIZES = ((80, 24), (120, 40), (160, 48))
TEXT = ": VaR 99 of POWER_DESK is 430100 EUR against a limit of 400000 EUR, above the limit, driven by DE; reduce."


@pytest.fixture(scope="module")
def texts_root(demo_root, tmp_path_factory):
    """The demo with a model of language of n-grams, which needs no optional package."""
    root = tmp_path_factory.mktemp("texts") / "desk-risk"
    shutil.copytree(demo_root, root)
    folder = root.parent / "model"
    train_text_model(TextModelSettings(architecture="ngram", documents=200, judged_documents=20), folder)
    register_text_model(Workspace.open(root), folder, "prose", Settings(), actor=ANA, n_written=2)
    return root


@pytest.fixture
def workspace(texts_root, tmp_path):
    root = tmp_path / "desk-risk"
    shutil.copytree(texts_root, root)
    return Workspace.open(root)


class ScriptedWriter:
    """Says what a test has it say."""

    def __init__(self) -> None:
        self.answers = deque()
        self.orders = []
        self.n_stops = 0
        self.is_closed = False

    def write(self, prompt: str, options: SamplingOptions) -> int:
        self.orders.append((prompt, options))
        return len(self.orders)

    def stop(self) -> None:
        self.n_stops += 1

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def writer():
    return ScriptedWriter()


async def opened(console, workspace, writer):
    def open_it(*_, started, **_by):
        started(writer)
        return writer

    dialog = PlaygroundDialog("prose", "1.0.0", workspace, open_it)
    await console.app.push_screen(dialog)
    await console.until(lambda: "ready" in console.text(), "the playground")
    await console.settled()
    return dialog


async def tick(console, dialog, *answers):
    dialog._process.answers.extend(answers)
    dialog._take_answers()
    await console.settled()


def piece(text: str, n_tokens: int, number: int = 1) -> TextPiece:
    return TextPiece(number=number, text=text, n_tokens=n_tokens, seconds=n_tokens / 100)


# The console


async def test_a_version_writes_behind_a_prompt_and_the_same_seed_writes_the_same(open_console, workspace):
    with Registry(workspace).opened("prose", "1.0.0") as folder:
        known = open_text_version(folder)
    expected = write_text(known.model, known.tokenizer, sampling_options(max_tokens=64), prompt="Risk note").text
    async with open_console() as console:
        await console.dialog("colon", *"playground prose", "enter")
        await console.until(lambda: "ready" in console.text(), "a loaded version")
        await console.press(*"Risk", "space", *"note", "enter")
        await console.until(lambda: "ended by the" in console.text(), "the end of the text")
        dialog = console.app.screen
        assert dialog.query_one("#playground-text").text == f"Risk note{expected}".rstrip()
        assert "Synthetic text of a language model" in console.text()
        assert "tokens/s" in console.text()
        assert "prompt " in console.text()
        process = dialog._process
        await console.press("escape")
        assert console.app.screen is console.screen
    assert until(lambda: process._process.poll() is not None)


async def test_the_key_of_the_registry_is_there_for_a_model_of_language_alone(open_console, workspace):
    async with open_console() as console:
        await console.press("3", "slash", *"prose", "enter")
        assert "m write" in console.text().splitlines()[-1]
        await console.dialog("m")
        assert isinstance(console.app.screen, PlaygroundDialog)
        await console.press("escape", "slash", "escape", "slash", *"spread prod", "enter")
        assert "m write" not in console.text().splitlines()[-1]
        await console.press("m")
        assert "this version answers rows" in console.sentence
        await console.press("question_mark")
        assert "Open the playground" in console.app.screen.query_one("#dialog-body").text


async def test_models_of_rows_and_versions_that_are_not_there_are_refused_by_name(open_console, workspace):
    async with open_console() as console:
        await console.press("colon", *"playground spread", "enter")
        assert "spread is no model of language. Models to choose from: prose." in console.sentence
        await console.dialog("colon", *"playground prose 9.9.9", "enter")
        await console.until(lambda: "prose has no version 9.9.9" in console.text(), "the refusal")


async def test_who_may_not_ask_the_model_over_http_may_not_ask_it_here(open_console, workspace, monkeypatch):
    monkeypatch.setattr(
        "console.runtime.own_rights.OwnRights.refusal",
        lambda self, needs, model=None: f"no {needs[0]} of {model}" if "prediction.ask" in needs else None,
    )
    async with open_console() as console:
        await console.press("3", "slash", *"prose", "enter", "m")
        assert console.app.screen is console.screen
        assert "no prediction.ask of prose" in console.sentence


async def test_a_changed_file_is_refused(open_console, workspace):
    version = Registry(workspace).get("prose", "1.0.0")
    file = workspace.artifacts_dir / version.path / "text.json"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b" ")
    async with open_console() as console:
        await console.dialog("colon", *"playground prose", "enter")
        await console.until(lambda: "ready" not in console.text() and "text.json" in console.text(), "the refusal")
        await console.press("x", "enter")
        assert "text.json" in console.text()


async def test_the_live_version_writes_if_no_other_is_named(open_console, workspace):
    from console.verbs.playground import WRITER

    async with open_console() as console:
        newest = console.app.newest
        assert WRITER.find(newest, ["prose"]).version == "1.0.0"
        live = [each for each in newest.versions if each.model == "prose" and each.stage is Stage.PRODUCTION]
        assert live == []


# The dialog


async def test_esc_ends_the_text_first_and_then_the_playground(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        dialog = await opened(console, workspace, writer)
        await console.press(*"Risk", "enter")
        await tick(console, dialog, piece(" note", 3))
        assert "Esc stops" in console.text()
        await console.press("escape")
        assert writer.n_stops == 1
        assert console.app.screen is dialog
        ended = WritingEnded(number=1, finish="stopped", n_tokens=3, nats=None, seconds=0.03)
        await tick(console, dialog, ended)
        assert "stopped  3 tokens" in console.text()
        await console.press("escape")
        assert console.app.screen is console.screen
        assert writer.is_closed


@pytest.mark.parametrize("is_started", [True, False])
async def test_a_playground_that_is_left_while_it_loads_leaves_no_process(open_console, workspace, writer, is_started):
    has_begun, may_go_on, has_ended = threading.Event(), threading.Event(), threading.Event()

    def open_it(*_, started, **_by):
        if is_started:
            started(writer)
        has_begun.set()
        assert may_go_on.wait(30)
        if not is_started:
            started(writer)
        has_ended.set()
        return writer

    async with open_console((80, 24)) as console:
        await console.app.push_screen(PlaygroundDialog("prose", "1.0.0", workspace, open_it))
        await console.until(has_begun.is_set, "the loading")
        await console.until(lambda: "loading the version" in console.text(), "the state")
        console.send("escape")
        await console.until(lambda: console.app.screen is console.screen, "the end of the playground")
        await console.until(lambda: writer.is_closed is is_started, "the end of the process")
        may_go_on.set()
        await console.until(has_ended.is_set, "the end of the loading")
        assert writer.is_closed


async def test_a_console_that_ends_while_a_playground_loads_leaves_no_process(open_console, workspace, monkeypatch):
    begun = []

    def loaded(process):
        begun.append(process)
        process._process.wait(30)
        raise WriterFailedError("The process that writes was ended.")

    monkeypatch.setattr(WritingProcess, "loaded", loaded)
    async with open_console() as console:
        await console.press("colon", *"playground prose")
        console.send("enter")
        await console.until(lambda: begun, "the loading")
    assert until(lambda: begun[0]._process.poll() is not None)


async def test_what_an_earlier_order_still_says_is_not_shown(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        dialog = await opened(console, workspace, writer)
        await console.press(*"One", "enter", "enter")
        await tick(console, dialog, piece("old", 1, number=1), piece("new", 1, number=2))
        assert "Onenew" in console.text()
        assert "old" not in console.text()


async def test_the_fields_set_how_it_writes(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        await opened(console, workspace, writer)
        await console.press(*"Risk", "tab", "ctrl+u", *"0.5", "tab", "ctrl+u", *"0.9", "tab", "ctrl+u", *"16")
        await console.press("tab", "ctrl+u", *"7", "tab", "full_stop", "enter")
        expected = sampling_options(temperature=0.5, top_p=0.9, max_tokens=16, seed=7, stop=(".",))
        assert writer.orders == [("Risk", expected)]


@pytest.mark.parametrize(
    ("n_tabs", "typed", "told"),
    [
        (1, "nan", "temperature: 'nan' is not a number"),
        (1, "11", "temperature 11 must be a number, at most 10."),
        (2, "0", "top-p 0 must be a number, above 0."),
        (3, "1e3", "tokens: '1e3' is not a whole number"),
        (3, "99999", "tokens 99999 must be a whole number, at most 2,048."),
        (4, "-1", "seed -1 must be a whole number, at least 0."),
    ],
)
async def test_a_value_out_of_its_range_is_refused_by_its_name(open_console, workspace, writer, n_tabs, typed, told):
    async with open_console((80, 24)) as console:
        await opened(console, workspace, writer)
        await console.press(*["tab"] * n_tabs, "ctrl+u", *typed, "enter")
        assert told in console.text()
        assert writer.orders == []


async def test_a_paste_that_does_not_fit_is_refused_whole(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        dialog = await opened(console, workspace, writer)
        await console.bytes(f"\x1b[200~{'x' * 1_000_000}\x1b[201~")
        assert "The pasted text has 1,000,000 characters; there is room for 8,000." in console.text()
        assert dialog.query_one("#playground-prompt").value == ""
        await console.bytes(f"\x1b[200~{'x' * MAX_PROMPT_CHARACTERS}\x1b[201~")
        await console.press("y", "enter")
        assert writer.orders[0][0] == "x" * MAX_PROMPT_CHARACTERS


async def test_a_paste_of_controls_and_lines_becomes_one_plain_line(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        await opened(console, workspace, writer)
        await console.bytes("\x1b[200~Risk\x07 \u202enote\nof\r\nDE\x1b[201~")
        assert "became blanks" in console.text()
        await console.press("enter")
        assert writer.orders[0][0] == "Risk note of DE"


async def test_a_paste_with_escape_sequences_is_a_text_and_no_keys(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        dialog = await opened(console, workspace, writer)
        await console.bytes("\x1b[200~Risk note\x1b[31m of \x1b zS\x1b[201~")
        assert console.app.screen is dialog
        await console.press("!", "enter")
        assert writer.orders[0][0] == "Risk note[31m of  zS!"


async def test_a_paste_is_measured_without_what_is_left_out(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        await opened(console, workspace, writer)
        await console.bytes("\x1b[200~" + "x\x1b\x07" * MAX_PROMPT_CHARACTERS + "\x1b[201~")
        await console.press("enter")
        assert writer.orders[0][0] == "x" * MAX_PROMPT_CHARACTERS


async def test_what_a_model_writes_does_not_reach_the_terminal_unescaped(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        dialog = await opened(console, workspace, writer)
        await console.press("enter")
        await tick(console, dialog, piece("a\x1b]52;c;eA==\x07[@click=quit]b[/]\nc\u202ed", 9))
        text = console.text()
        assert "[@click=quit]b[/]" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


async def test_a_process_that_ends_is_told_and_writes_no_more(open_console, workspace, writer):
    async with open_console((80, 24)) as console:
        dialog = await opened(console, workspace, writer)
        await console.press(*"Risk", "enter")
        await tick(console, dialog, piece(" note", 2), WriterFailed(problem="It has ended (SIGKILL)."))
        assert "It has ended (SIGKILL)." in console.text()
        await console.press("enter")
        assert len(writer.orders) == 1
        await console.press("escape")
        assert console.app.screen is console.screen


async def test_a_copy_carries_the_notice(open_console, workspace, writer, monkeypatch):
    copied = []
    monkeypatch.setattr("console.app.app.BondxApp.copy", lambda self, text: copied.append(text))
    async with open_console((80, 24)) as console:
        dialog = await opened(console, workspace, writer)
        await console.press(*"Risk", "enter")
        await tick(console, dialog, piece(" note", 2))
        await console.press(*["tab"] * 6, "y")
        assert copied == [f"{BANNER}\nRisk note"]


@pytest.mark.parametrize("size", SIZES)
async def test_it_looks_as_it_should(open_console, workspace, writer, pictured, size):
    async with open_console(size, theme="bondx-dark") as console:
        dialog = await opened(console, workspace, writer)
        pictured(console, "playground-ready")
        await console.press(*"Risk", "space", *"note", "enter")
        weighed = PromptWeighed(number=1, n_tokens=3, nats=4.5)
        await tick(console, dialog, weighed, piece(TEXT[:40], 12))
        pictured(console, "playground-writing")
        ended = WritingEnded(number=1, finish="stop", n_tokens=31, nats=24.5, seconds=0.25)
        await tick(console, dialog, piece(TEXT[40:], 31), ended)
        pictured(console, "playground-ended")


# The process that writes


def test_a_prompt_is_weighed_as_the_model_weighs_it(workspace):
    with Registry(workspace).opened("prose", "1.0.0") as folder:
        known = open_text_version(folder)
    told = []
    order = WritingOrder(number=3, prompt="Risk note", options=sampling_options(max_tokens=8))
    write_for(known, order, told.append, is_over=lambda: False)
    tokens = known.tokenizer.encode("Risk note")
    behind = known.model.begin()
    behind.take(tokens)
    ended = -behind.next_log_probabilities()[0]
    assert told[0].n_tokens == len(tokens)
    assert told[0].nats + ended == pytest.approx(known.model.document_nats([tokens])[0])
    assert {each.number for each in told} == {3}
    assert told[-1].n_tokens <= 8


@pytest.mark.parametrize("n_before", [0, 1, 5])
def test_a_later_order_ends_an_earlier_one(workspace, n_before):
    with Registry(workspace).opened("prose", "1.0.0") as folder:
        known = open_text_version(folder)
    told, n_asked = [], 0

    def is_over() -> bool:
        nonlocal n_asked
        n_asked += 1
        return n_asked > n_before

    order = WritingOrder(number=1, prompt="Risk note", options=sampling_options(max_tokens=500, temperature=5))
    write_for(known, order, told.append, is_over=is_over)
    assert told[-1].finish == "stopped"
    assert told[-1].nats is None
    assert sum(isinstance(each, TextPiece) for each in told) <= n_before


def test_a_process_opens_writes_stops_and_ends(workspace):
    process = open_writer(workspace, "prose", "1.0.0", actor=ANA)
    assert process.loaded() == WriterLoaded(architecture="ngram")
    number = process.write("Risk note", sampling_options(max_tokens=4))
    assert until(lambda: any(isinstance(each, WritingEnded) for each in process.answers))
    assert {each.number for each in process.answers} == {number}
    process.answers.clear()
    process._process.kill()
    assert until(lambda: process.answers)
    assert "SIGKILL" in process.answers[0].problem
    process.write("Risk", sampling_options())  # nobody is there, and nothing is raised
    process.close()


def test_a_process_that_is_closed_while_it_loads_ends_the_wait(workspace):
    with pytest.raises(WriterFailedError, match="was ended"):
        open_writer(workspace, "prose", "1.0.0", actor=ANA, started=WritingProcess.close)


def test_a_folder_without_a_model_of_language_is_refused(tmp_path):
    process = WritingProcess(tmp_path)
    with pytest.raises(WriterFailedError, match=str(tmp_path)):
        process.loaded()
    process.close()


def test_a_version_of_rows_is_refused(workspace):
    with pytest.raises(CoreError, match="model"):
        open_writer(workspace, "spread", Registry(workspace).production("spread").version, actor=ANA)
