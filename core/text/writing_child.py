"""The child that writes for a playground: it opens one version, and writes what its standard input orders.

Its answers go to standard output. It ends with its standard input; `core.text.writing_process` is the other end.
"""

import os
import queue
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from core.errors import CoreError
from core.json_documents import decode_json
from core.text.language_model import Continuation
from core.text.model_folder import TextModel
from core.text.sampling import TextWriter
from core.text.version import open_text_version
from core.text.writing_wire import (
    PromptWeighed,
    TextPiece,
    WriterFailed,
    WriterLoaded,
    WritingAnswer,
    WritingEnded,
    WritingOrder,
)

TellAnswer = Callable[[WritingAnswer], None]


def main() -> None:
    """Open the version in the folder of the first argument, and write until standard input ends."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not look like an answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    orders: queue.SimpleQueue[WritingOrder] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(orders,), daemon=True).start()

    def tell(answer: WritingAnswer) -> None:
        content = msgspec.json.encode(answer) + b"\n"
        while content:
            content = content[os.write(answers, content) :]

    try:
        opened = open_text_version(Path(sys.argv[1]))
    except (CoreError, OSError) as error:
        tell(WriterFailed(problem=str(error)))
        return
    tell(WriterLoaded(architecture=opened.manifest.architecture))
    while True:
        order = orders.get()
        if order.prompt is not None:
            write_for(opened, order, tell, is_over=lambda: not orders.empty())


def _receive(orders: "queue.SimpleQueue[WritingOrder]") -> None:
    for line in sys.stdin.buffer:
        orders.put(decode_json(line, WritingOrder))
    os._exit(0)  # whoever ordered is gone: nobody waits for the document under way


def write_for(opened: TextModel, order: WritingOrder, tell: TellAnswer, *, is_over: Callable[[], bool]) -> None:
    """Write one document.

    Args:
        opened: The model.
        order: What to write.
        tell: Takes each answer.
        is_over: Whether to end before the document does.
    """
    going, tokens, nats = opened.model.begin(), opened.tokenizer.encode(order.prompt or ""), 0.0
    for token in tokens:
        if is_over():
            tell(WritingEnded(number=order.number, finish="stopped", n_tokens=0, nats=None, seconds=0.0))
            return
        nats -= float(going.next_log_probabilities()[token])
        going.take([token])
    tell(PromptWeighed(number=order.number, n_tokens=len(tokens), nats=nats))
    _write(opened, order, going, tell, is_over)


def _write(
    opened: TextModel, order: WritingOrder, going: Continuation, tell: TellAnswer, is_over: Callable[[], bool]
) -> None:
    """Write behind a prompt that was read."""
    writer = TextWriter(opened.model, opened.tokenizer, order.options, going=going)
    number, began = order.number, time.perf_counter()
    for piece in writer:
        n_drawn, seconds = writer.n_drawn, time.perf_counter() - began
        tell(TextPiece(number=number, text=piece, n_tokens=n_drawn, seconds=seconds))
        if is_over():
            tell(WritingEnded(number=number, finish="stopped", n_tokens=n_drawn, nats=None, seconds=seconds))
            return
    written, seconds = writer.written, time.perf_counter() - began
    tell(
        WritingEnded(
            number=number, finish=written.finish, n_tokens=written.n_tokens, nats=written.nats, seconds=seconds
        )
    )


if __name__ == "__main__":
    main()
