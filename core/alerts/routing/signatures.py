"""What changes when a file changes on which a routing depends, its mode included: it decides on secrets in the file."""

import os
from collections.abc import Sequence
from pathlib import Path

from core.alerts.delivery.template_files import template_files


def file_signature(file: Path | None) -> tuple[int, ...] | None:
    """Return the signature of a file; None of one that cannot be looked at."""
    try:
        status = os.stat(file) if file is not None else None
    except OSError:
        return None
    if status is None:
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def routing_signature(file: Path | None, templates: Sequence[str]) -> tuple[object, ...]:
    """Return the signature of a routing file with its files of templates.

    Args:
        file: The routing file.
        templates: The patterns of its templates, as whole paths.
    """
    return tuple((str(each), file_signature(each)) for each in (file, *template_files(templates)))
