"""Restoring a model from an artifact that anybody may have written: whatever is wrong with it is one error."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from core.models.errors import ArtifactError


@contextmanager
def restoring(name: str, header: Mapping[str, Any]) -> Iterator[None]:
    """Within it, a model is restored from the parts of its artifact.

    Args:
        name: The name of the model.
        header: The header of the artifact.
    Raises:
        ArtifactError: The artifact is of another model, or a part of it is missing or of the wrong kind.
    """
    if header.get("model") != name:
        raise ArtifactError(f"the artifact contains the model {header.get('model')!r}, not {name!r}")
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError, msgspec.DecodeError) as error:
        raise ArtifactError(f"the artifact of {name} is inconsistent: {error!r}") from error
