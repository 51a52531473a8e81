"""The registry's refusals, each in one sentence that says what to do."""

from collections.abc import Sequence

from core.errors import ConflictError, CoreError, NotFoundError, RefusedError, UsageError
from core.escape import shown


class InvalidNameError(UsageError):
    """A model name, alias or version number is not valid."""

    def __init__(self, kind: str, text: str, rule: str) -> None:
        super().__init__(f"{shown(text)} is not a valid {kind}: it must be {rule}.")


class ModelNotFoundError(NotFoundError):
    """No version of this model was ever registered."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        choices = ", ".join(known) or "none yet; training registers them"
        super().__init__(f"No model {model} is registered. Models to choose from: {choices}.")


class VersionNotFoundError(NotFoundError):
    """The model is registered, but not at this version."""

    def __init__(self, model: str, version: str, known: Sequence[str]) -> None:
        newest = list(known)[-8:]
        more = f" (and {len(known) - len(newest)} older)" if len(known) > len(newest) else ""
        super().__init__(f"{model} has no version {version}. Versions to choose from: {', '.join(newest)}{more}.")


class AliasNotFoundError(NotFoundError):
    """The model has no such alias."""

    def __init__(self, model: str, alias: str, known: Sequence[str]) -> None:
        choices = ", ".join(known) or f"none yet; `bondx registry alias {model} {alias} VERSION` sets one"
        super().__init__(f"{model} has no alias {shown(alias)}. Aliases to choose from: {choices}.")


class ApprovalNotFoundError(NotFoundError):
    """The person has no approval that still counts."""

    def __init__(self, model: str, version: str, person: str, known: Sequence[str]) -> None:
        others = f"approved by {', '.join(known)}" if known else "nobody has approved it"
        super().__init__(f"{person} has no approval of {model} {version} to withdraw; {others}.")


class ArtifactRefusedError(UsageError):
    """The folder handed in cannot become an artifact; nothing was registered."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem} Nothing was registered.")


class WrongKindError(ArtifactRefusedError):
    """A model of language was to become a version of a model of rows, or the other way round."""

    def __init__(self, model: str, *, writes_texts: bool) -> None:
        have, needs = ("answer rows", "language") if writes_texts else ("write texts", "rows")
        UsageError.__init__(self, f"The versions of {model} {have}: choose another name for the model of {needs}.")


class HashMismatchError(RefusedError):
    """The files of a version differ from the registered files."""

    def __init__(self, model: str, version: str, problems: Sequence[str]) -> None:
        from core.registry.manifest import is_unread

        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        told, end = "differ from the registered files", "Restore the folder from a backup, or use another version."
        if is_unread(problems):
            told, end = "cannot be compared with the registered files", "Let them be read, or use another version."
        super().__init__(
            f"The files of {model} {version} {told}: {'; '.join(problems[:3])}{more}. Nothing was loaded or changed. "
            f"{end}"
        )
        self.problems = tuple(problems)


class ChangedFileError(RefusedError):
    """A file of a version is not the registered one, though it was a moment ago."""


class OwnProfileError(RefusedError):
    """The artifact of a version holds a profile, so none is made."""

    def __init__(self, model: str, version: str) -> None:
        self.problem = (
            f"{model} {version} was registered with its profile, which is hashed with its files and never replaced."
        )
        super().__init__(f"{self.problem} bondx drift profile {model} --version {version} shows it.")


class ReasonNeededError(UsageError):
    """A profile that was made before is replaced for a reason only."""

    def __init__(self, problem: str, *, to_do: str) -> None:
        self.problem = f"{problem}. Give a reason to {to_do}"
        super().__init__(f"{self.problem} (--reason TEXT).")


class CopyFailedError(CoreError):
    """The files of a version could not be copied, which says nothing about the version."""

    def __init__(self, folder: object, error: OSError) -> None:
        super().__init__(f"The version could not be copied to {folder}: {error.strerror or error}.")


class StalePlanError(ConflictError):
    """The person was shown another plan than is true now; nothing was changed.

    Attributes:
        news: What has changed since, in sentences.
    """

    def __init__(self, what: str, news: Sequence[str]) -> None:
        super().__init__(
            f"Since you reviewed the plan, this changed: {' '.join(news)} {what} was not moved; review the plan again."
        )
        self.news = tuple(news)


class PromotionRefusedError(RefusedError):
    """A rule or a gate forbids the move; nothing was changed."""
