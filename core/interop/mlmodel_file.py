"""The file `MLmodel`, checked before MLflow reads it: plain YAML of a plain size."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.plain_files import open_regular

MAX_BYTES = 1 << 20
"""MLflow writes some hundred bytes a column of the signature."""
MAX_DEPTH = 40
MAX_NODES = 100_000


class BadDescriptionError(CoreError):
    """The file `MLmodel` is not as MLflow writes it; the message says how."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"its file MLmodel {problem}; MLflow writes no such file.")


def check_description(file: Path) -> None:
    """Refuse a description that its reader could be led astray by.

    YAML references let a small file stand for billions of nodes, tags name Python objects, and deep nesting exhausts
    the stack of the reader.

    Raises:
        BadDescriptionError: What is wrong with it.
    """
    import yaml

    from core.settings.yaml_source import events_of

    try:
        with open_regular(file) as content:
            text = content.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDescriptionError(f"cannot be read ({error.strerror or error})") from error
    if len(text) > MAX_BYTES:
        raise BadDescriptionError(f"is larger than {MAX_BYTES >> 20} MiB")
    try:
        _check_events(events_of(text, yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise BadDescriptionError("is not YAML") from error


def _check_events(events: Iterable[Any]) -> None:
    """Count the nodes that a reader makes of a document, each reference as what it refers to."""
    import yaml

    sizes: dict[str, int] = {}  # of the nodes that have ended, by their anchor
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]  # with what each holds so far
    for event in events:
        line = event.start_mark.line + 1
        if getattr(event, "tag", None) is not None:
            raise BadDescriptionError(f"holds the YAML tag {event.tag!a} (line {line})")
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            if len(open_nodes) > MAX_DEPTH:
                raise BadDescriptionError(f"is nested more than {MAX_DEPTH} levels deep")
            continue
        anchor, size = None, 0
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise BadDescriptionError(f"refers to a node inside itself (line {line})")
            size = sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        if anchor is not None:
            sizes[anchor] = size
        outer, held = open_nodes[-1]
        open_nodes[-1] = outer, held + size
        if held + size > MAX_NODES:
            raise BadDescriptionError(f"stands for more than {MAX_NODES:,} values (line {line})")
