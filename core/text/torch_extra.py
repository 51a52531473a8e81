"""The optional extra `text`: torch and safetensors, which the decoder needs and n-grams do not."""

from importlib.util import find_spec

from core.errors import UsageError

EXTRA = "text"
_MODULES = ("torch", "safetensors")


class MissingTorchError(UsageError):
    """A decoder is asked for, and torch is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"A decoder needs the optional extra: pip install 'bondx-console[{EXTRA}]'; text_model.architecture ngram "
            "needs none."
        )


def has_torch() -> bool:
    """Return whether the extra is installed, without importing it."""
    return all(find_spec(name) is not None for name in _MODULES)


def require_torch() -> None:
    """Check, without importing it, that the extra is installed.

    Raises:
        MissingTorchError: It is not.
    """
    if not has_torch():
        raise MissingTorchError
