"""What differs once a file changes on which a routing depends, its mode included: it decides on secrets in the file."""

from collections.abc import Sequence
from pathlib import Path

from core.alerts.delivery.template_files import template_files
from core.plain_files import Signatures, signatures_of


def routing_signature(file: Path | None, templates: Sequence[str]) -> Signatures:
    """Return the signature of a routing file with its files of templates.

    Args:
        file: The routing file.
        templates: The patterns of its templates, as whole paths.
    """
    return signatures_of([*([] if file is None else [file]), *template_files(templates)])
