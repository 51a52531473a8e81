"""The verb that lets a version of a model of language write."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.verbs.verb import Argument, Command, Key, Noun, Verb
from console.verbs.version import VersionName
from core.errors import NotFoundError

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.registry import ModelVersion
    from core.view.snapshot import Snapshot

_ASKS = ("prediction.ask",)


def _writers(snapshot: "Snapshot", model: str | None = None) -> "list[ModelVersion]":
    from core.registry.language_models import is_language_model

    return [each for each in snapshot.versions if model in (None, each.model) and is_language_model(each)]


def _models(snapshot: "Snapshot", _before: Sequence[str]) -> Sequence[str]:
    return list(dict.fromkeys(each.model for each in _writers(snapshot)))


def _numbers(snapshot: "Snapshot", before: Sequence[str]) -> Sequence[str]:
    return [each.version for each in _writers(snapshot, before[0])]


def _live_or_newest(snapshot: "Snapshot", words: Sequence[str]) -> VersionName:
    from core.registry.stages import Stage

    known = _writers(snapshot, words[0])
    if not known:
        others = ", ".join(_models(snapshot, ())) or "none yet; bondx text register makes a version"
        raise NotFoundError(f"{words[0]} is no model of language. Models to choose from: {others}.")
    live = [each for each in known if each.stage is Stage.PRODUCTION]
    chosen = (live or known)[-1]
    return VersionName(chosen.model, chosen.version)


WRITER: Noun[VersionName] = Noun(
    group="registry",
    arguments=(Argument("MODEL", _models),),
    missing="The playground is for versions of a model of language; this version answers rows.",
    find=_live_or_newest,
)
"""A version that writes texts."""


def writer_of(version: "ModelVersion") -> VersionName | None:
    """Return the name of a version that writes texts; None of any other."""
    from core.registry.language_models import is_language_model

    return VersionName(version.model, version.version) if is_language_model(version) else None


class Playground(Verb[VersionName]):
    """Let a version write, token by token."""

    name = "playground"
    noun = WRITER
    key = Key("m", "write", "Open the playground: a version of a model of language writes behind your prompt")
    command = Command(
        "let a model of language write behind a prompt: its live version, or VERSION",
        options=(Argument("VERSION", _numbers),),
    )

    def label(self, thing: VersionName | None) -> str:
        """Keep it out of the footer of versions that answer rows."""
        return super().label(thing) if thing is not None else ""

    def refused(self, app: "ConsoleControls", thing: VersionName | None) -> str | None:
        """Refuse it to whoever may not ask this model over HTTP either."""
        model = thing.model if thing is not None else None
        return super().refused(app, thing) or app.rights.refusal(_ASKS, model)

    def do(self, app: "ConsoleControls", thing: VersionName, *options: Any) -> None:
        """Open the playground; the version is loaded in a process of its own."""
        from console.dialogs.playground import PlaygroundDialog

        version = str(options[0]) if options else thing.version
        app.push_screen(PlaygroundDialog(thing.model, version, app.workspace))


PLAYGROUND = Playground()
