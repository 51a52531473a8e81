"""The child that tries versions: loads each within limits, and lets it answer rows of its own signature.

It reads requests from its standard input and writes an outcome for each; `core.registry.trial_child` is the other end.
"""

import os
import resource
import select
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from core.json_documents import decode_json
from core.registry.contents import ANSWERED, MODEL_NAME, NOT_CHECKED, WROTE, onnx_files
from core.registry.trial_child import IDLE_EXIT, TrialOutcome, TrialRequest
from core.text.version import is_text_version

IDLE_SECONDS = 60.0
_MIB = 1 << 20
_LONGEST_CHAIN = 20  # of errors that caused each other


def main() -> None:
    """Try versions until no request has come for `IDLE_SECONDS`."""
    replies = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not look like an outcome
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # before any other process
    from core.serving.scoring.warming import warmed_by  # before the limit on memory

    os.write(replies, b"ready\n")
    while select.select([0], [], [], IDLE_SECONDS)[0] and (line := sys.stdin.buffer.readline()):
        request = decode_json(line, TrialRequest)
        with _Limits(request):
            outcome = _tried(request, warmed_by)
        os.write(replies, msgspec.json.encode(outcome) + b"\n")
    os._exit(IDLE_EXIT)  # also where a model has left threads behind


def _tried(request: TrialRequest, warm: Callable[[Path], int]) -> TrialOutcome:
    folder = Path(request.folder)
    try:
        if not (folder / MODEL_NAME).exists() and (files := onnx_files(folder)):
            return TrialOutcome(found=_parsed_onnx(files))
        n_rows = warm(folder)
        return TrialOutcome(found=WROTE if is_text_version(folder) else ANSWERED, n_rows=n_rows)
    except BaseException as error:  # an exit in a model's code is a fault of the version, and no end of the child
        if _was_refused_memory(error):
            return _over_memory(request)
        said = f"{error}" if isinstance(error, Exception) else f"it ends its process by {error!r}"
        return TrialOutcome(problem=(said or repr(error))[:1_000])


def _parsed_onnx(files: Sequence[Path]) -> str:
    """Parse ONNX files by whichever of its libraries is installed.

    Source:
        `onnx.checker.check_model` and `onnxruntime.InferenceSession` take the path of a model file.
    """
    for library, check in (("onnx", _check_by_onnx), ("onnxruntime", _check_by_onnxruntime)):
        try:
            module = import_module(library)
        except ImportError:
            continue
        for file in files:
            check(module, str(file))
        return f"its ONNX files were parsed by {library}"
    return f"{NOT_CHECKED}: neither onnx nor onnxruntime is installed"


def _check_by_onnx(onnx: Any, file: str) -> None:
    onnx.checker.check_model(file)


def _check_by_onnxruntime(onnxruntime: Any, file: str) -> None:
    onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def _was_refused_memory(error: BaseException | None) -> bool:
    """Whether an error is or was caused by a refusal of memory. Its words say nothing: they may be the file's own."""
    for _ in range(_LONGEST_CHAIN):
        if error is None or isinstance(error, MemoryError):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, MemoryError)


def _over_memory(request: TrialRequest) -> TrialOutcome:
    return TrialOutcome(problem=f"loading it takes more than {request.memory_mib:,} MiB of memory", is_fatal=True)


class _Limits:
    """Limits on memory and computing time of one trial, beyond what the process has used before."""

    def __init__(self, request: TrialRequest) -> None:
        self._request = request

    def __enter__(self) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, used + self._request.memory_mib * _MIB)
        # After the waiting time, which is the parent's to judge: a version that sleeps must not pass for a crash.
        _limit(resource.RLIMIT_CPU, int(time.process_time() + self._request.seconds) + 2)

    def __exit__(self, *_: object) -> None:
        _limit(resource.RLIMIT_AS, resource.RLIM_INFINITY)
        _limit(resource.RLIMIT_CPU, resource.RLIM_INFINITY)


def _limit(kind: int, value: int) -> None:
    """Set a soft limit, as far as the hard limit allows."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    main()
