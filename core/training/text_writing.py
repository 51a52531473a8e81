"""Writing with a registered version of a model of language, for whoever has the right to ask it."""

from collections.abc import Callable
from typing import NamedTuple

from core.actor import Actor
from core.errors import NotFoundError
from core.escape import shown
from core.governance.audit import require_access
from core.registry import ModelVersion, Registry
from core.registry.language_models import is_language_model
from core.state import Workspace
from core.text.sampling import OWN_BANNER, SamplingOptions, banner_of, require_prompt, write_text
from core.text.version import open_text_version
from core.text.writing_process import WritingProcess

ASKS = "prediction.ask"
"""The verb of everybody who lets a version write, as of everybody who asks one for predictions."""


class VersionText(NamedTuple):
    """A text, and the version that wrote it.

    Attributes:
        text: The prompt and what was written behind it.
        model: The model.
        version: Its version.
        manifest_sha256: Of its files.
        seed: That it was drawn with.
        notice: That it is synthetic, and whether anything in it may be real.
    """

    text: str
    model: str
    version: str
    manifest_sha256: str
    seed: int
    notice: str


def open_writer(
    workspace: Workspace,
    model: str,
    version: str,
    *,
    actor: Actor,
    started: Callable[[WritingProcess], None] | None = None,
) -> WritingProcess:
    """Start the process that writes with a registered version, and wait until it is open.

    Args:
        workspace: The workspace.
        model: The model.
        version: Its version.
        actor: Who will let it write.
        started: Called with the process before its model is open: closing the process then ends the wait.
    Raises:
        AccessRefusedError: No role of the actor allows it to ask this model; the audit log has the refusal.
        CoreError: There is no such version, its files were changed, or it cannot be opened.
    """
    require_right_to_ask(workspace, model, actor)
    with Registry(workspace).opened(model, version) as folder:
        process = WritingProcess(folder)
        try:
            if started is not None:
                started(process)
            process.loaded()
        except BaseException:
            process.close()
            raise
    return process


def write_with_version(
    workspace: Workspace, model: str, version: str | None, prompt: str, options: SamplingOptions, *, actor: Actor
) -> VersionText:
    """Let a registered version write one document.

    Args:
        workspace: The workspace.
        model: The model.
        version: Its version; None: the live one, or else the newest.
        prompt: How the document begins.
        options: How it is written.
        actor: Who lets it write.
    Raises:
        AccessRefusedError: No role of the actor allows it to ask this model; the audit log has the refusal.
        CoreError: There is no such version, its files were changed, or it cannot be opened.
        NotFoundError: It is no model of language.
        UsageError: The prompt is too long.
    """
    require_right_to_ask(workspace, model, actor)
    require_prompt(prompt)
    registry = Registry(workspace)
    found = _chosen(registry, model, version)
    if not is_language_model(found):
        raise NotFoundError(f"{shown(model)} {found.version} answers rows, and writes no texts.")
    with registry.opened(model, found.version) as folder:
        opened = open_text_version(folder)
        written = write_text(opened.model, opened.tokenizer, options, prompt=prompt)
    return VersionText(
        prompt + written.text, found.model, found.version, found.manifest_sha256, options.seed, opened.banner
    )


def banner_of_version(workspace: Workspace, model: str, version: str) -> str:
    """Return the notice about the texts of a registered version.

    Raises:
        NotFoundError: There is no such version.
    """
    learned = Registry(workspace).get(model, version).lineage.get("parameters")
    return banner_of(learned) if isinstance(learned, dict) else OWN_BANNER


def require_right_to_ask(workspace: Workspace, model: str, actor: Actor) -> None:
    """Refuse to let a model write for somebody who has no right to ask it.

    Raises:
        AccessRefusedError: No role of the actor allows it; the audit log has the refusal.
        StateError: The grants cannot be read.
    """
    require_access(workspace, actor, ASKS, object=model, model=model)


def _chosen(registry: Registry, model: str, version: str | None) -> ModelVersion:
    if version is not None:
        return registry.get(model, version)
    return registry.production(model) or registry.get(model, registry.numbers(model)[-1])
