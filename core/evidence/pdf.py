"""A pack as PDF/A, set by typst in a child process: what was recorded is other people's text, and may be of any length.

The child can open no file and has limits of memory and computing time. The same pack gives the same bytes.
"""

import os
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import msgspec

from core.clock import to_iso
from core.errors import CoreError, UsageError
from core.evidence.pack import EvidencePack
from core.evidence.pdf_layout import PrintedPack, printed_pack
from core.own_python import child_environment, module_command, signal_name
from core.plain_files import read_file

EXTRA = "pdf"
MODULE = "core.evidence.pdf_child"
MEMORY_MIB = 2_048
CPU_SECONDS = 600
_WAIT_SECONDS = 3_600.0  # a machine may be busy, or frozen: the limit is the computing time
_MOST_REASON = 300


class PdfExtraMissingError(UsageError):
    """The extra is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"A PDF needs the optional extra: pip install 'bondx-console[{EXTRA}]'; without it, packs are HTML and "
            "JSON."
        )


class PdfFailedError(CoreError):
    """A pack cannot be set as a PDF."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The PDF of the pack cannot be made: {reason}. A pack without a PDF can be built: --no-pdf.")


class PdfOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is asked for."""

    template: str
    pack: PrintedPack
    built_at: str  # RFC 3339
    memory_mib: int = MEMORY_MIB
    cpu_seconds: int = CPU_SECONDS


def has_pdf_extra() -> bool:
    """Say whether a PDF can be made here."""
    try:
        return find_spec("typst") is not None
    except (ImportError, ValueError):  # it is blocked
        return False


def require_pdf_extra() -> None:
    """Refuse to go on without the extra.

    Raises:
        PdfExtraMissingError: It is not installed.
    """
    if not has_pdf_extra():
        raise PdfExtraMissingError


def pdf_of(pack: EvidencePack) -> bytes:
    """Set a pack as PDF/A-2a that is PDF/UA-1, too.

    Raises:
        PdfExtraMissingError: The extra is not installed.
        PdfFailedError: It takes too much memory or time, or cannot be set.
    """
    require_pdf_extra()
    template = template_text()
    try:
        return set_by_child(order_of(pack, template))
    except _NotSetError:
        # A rare sequence of characters that no font can draw together: then none beyond ASCII is drawn.
        try:
            return set_by_child(order_of(pack, template, only_ascii=True))
        except _NotSetError as error:
            raise PdfFailedError(error.reason) from None


def template_text() -> str:
    """Return the template."""
    return read_file(Path(__file__).with_name("evidence.typ")).decode()


def order_of(pack: EvidencePack, template: str, *, only_ascii: bool = False) -> PdfOrder:
    """Return the order of a pack."""
    return PdfOrder(template=template, pack=printed_pack(pack, only_ascii=only_ascii), built_at=to_iso(pack.built_at))


class _NotSetError(Exception):
    """typst refused the document."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REFUSED_EXIT = 3
NO_MEMORY_EXIT = 4


def set_by_child(order: PdfOrder) -> bytes:
    """Let a child set a document.

    Raises:
        PdfFailedError: It takes too much memory or time, or the child cannot be started.
        _NotSetError: typst refuses it.
    """
    environment = {**child_environment(), "RAYON_NUM_THREADS": "1"}
    try:
        process = subprocess.Popen(
            module_command(MODULE, os.getpid()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C at the terminal is for this process to handle
        )
    except OSError as error:
        raise PdfFailedError(error.strerror or str(error)) from None
    try:
        found, said = process.communicate(msgspec.json.encode(order), timeout=_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise PdfFailedError(f"it takes longer than {_WAIT_SECONDS:g} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode == 0:
        return found
    if process.returncode == REFUSED_EXIT:
        raise _NotSetError(" ".join(said.decode(errors="replace").split())[:_MOST_REASON])
    raise PdfFailedError(_ending(process.returncode, order))


def _ending(code: int, order: PdfOrder) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"it takes more than {order.cpu_seconds:,} s of computing time, or was ended from outside"
    if code in (NO_MEMORY_EXIT, -signal.SIGABRT):
        return f"it takes more than {order.memory_mib:,} MiB of memory"
    return f"its process ended with {f'exit code {code}' if code >= 0 else signal_name(code)}"
