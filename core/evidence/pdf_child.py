"""The child that sets a PDF: `python -m core.evidence.pdf_child PARENT` reads an order and writes the file.

It reads its standard input and writes its standard output. Once typst is loaded, the kernel lets it open nothing more:
neither a file nor a package nor a connection.
"""

import os
import resource
import sys
from contextlib import suppress
from datetime import UTC
from pathlib import Path

import msgspec

from core.clock import from_iso
from core.escape import escaped
from core.evidence.pdf import NO_MEMORY_EXIT, REFUSED_EXIT, PdfOrder
from core.json_documents import decode_json
from core.own_python import die_with_parent

_STANDARDS = ["a-2a", "ua-1"]


def main(parent_pid: int) -> int:
    """Set what the order says."""
    die_with_parent(parent_pid)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    import typst

    order = decode_json(sys.stdin.buffer.read(), type=PdfOrder)
    resource.setrlimit(resource.RLIMIT_AS, (order.memory_mib << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_seconds,) * 2)
    # The folder of the template, since there must be one; nothing in it can be opened either.
    root = Path(__file__).parent
    try:
        compiler = typst.Compiler(
            order.template.encode(),
            root=root,
            font_paths=typst.Fonts(include_system_fonts=False),  # the same letters on every machine
            ignore_system_fonts=True,
            sys_inputs={"pack": msgspec.json.encode(order.pack).decode()},
            package_path=root / "none",
            package_cache_path=root / "none",
        )
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        built_at = from_iso(order.built_at).astimezone(UTC).replace(microsecond=0)
        found = compiler.compile(format="pdf", pdf_standards=_STANDARDS, timestamp=int(built_at.timestamp()))
    except typst.TypstError as error:
        sys.stderr.write(escaped("; ".join([error.message, *error.hints])))
        return REFUSED_EXIT
    except MemoryError:
        return NO_MEMORY_EXIT
    sys.stdout.buffer.write(found)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1])))
