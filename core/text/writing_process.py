"""A process in which a version writes for a person: its libraries, memory and crashes are not those of the console."""

import contextlib
import os
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import IO

import msgspec

from core.errors import CoreError
from core.json_documents import json_decoder
from core.own_python import child_environment, module_command, signal_name
from core.text.sampling import SamplingOptions
from core.text.writing_wire import WriterFailed, WriterLoaded, WritingAnswer, WritingOrder

MODULE = "core.text.writing_child"
_ANSWERS = json_decoder(WritingAnswer)


class WriterFailedError(CoreError):
    """The process that writes cannot be started, or ended."""


class WritingProcess:
    """Writes documents with one version. Its answers wait in `answers` until somebody takes them."""

    def __init__(self, folder: Path) -> None:
        """Start the process.

        Args:
            folder: The files of the version. They may go once `loaded` has returned.
        Raises:
            WriterFailedError: The process cannot be started.
        """
        self.answers: deque[WritingAnswer] = deque()
        """What the process has said, the oldest first; whoever takes an answer removes it."""
        self._number = 0
        self._is_loaded = threading.Event()
        self._loaded: WriterLoaded | WriterFailed | None = None
        self._is_closed = False
        try:
            self._process = subprocess.Popen(
                module_command(MODULE, folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                bufsize=0,
                start_new_session=True,  # Ctrl-C at the terminal is for the console to handle
            )
        except OSError as error:
            raise WriterFailedError(f"The process that writes cannot be started: {error.strerror or error}.") from error
        self._reader = threading.Thread(target=self._listen, name="playground", daemon=True)
        self._reader.start()

    def loaded(self) -> WriterLoaded:
        """Wait until the model is open.

        Raises:
            WriterFailedError: It cannot be opened, or its process ended.
        """
        self._is_loaded.wait()
        if isinstance(self._loaded, WriterLoaded):
            return self._loaded
        raise WriterFailedError(self._loaded.problem if self._loaded else "The process that writes was ended.")

    def write(self, prompt: str, options: SamplingOptions) -> int:
        """Begin a document; one that is being written ends.

        Returns:
            The number that its answers have.
        """
        return self._order(prompt, options)

    def stop(self) -> None:
        """End the document that is being written."""
        self._order(None, SamplingOptions())

    def close(self) -> None:
        """End the process; its reader buries it."""
        self._is_closed = True
        self._process.kill()
        with contextlib.suppress(OSError):
            self._stdin.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _order(self, prompt: str | None, options: SamplingOptions) -> int:
        self._number += 1
        line = msgspec.json.encode(WritingOrder(number=self._number, prompt=prompt, options=options)) + b"\n"
        with contextlib.suppress(OSError):  # the process has ended, which an answer says
            while line:
                line = line[os.write(self._stdin.fileno(), line) :]
        return self._number

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said, os.fdopen(os.dup(said.fileno()), "rb") as lines:
            for line in lines:
                answer = _ANSWERS.decode(line)
                if self._loaded is None and isinstance(answer, WriterLoaded | WriterFailed):
                    self._loaded = answer
                    self._is_loaded.set()
                else:
                    self.answers.append(answer)
        code = self._process.wait()
        if not self._is_closed:
            how = signal_name(code) if code < 0 else f"exit code {code}"
            ended = WriterFailed(
                problem=f"The process that writes has ended ({how}). Close the playground, and open it again."
            )
            self._loaded = self._loaded or ended
            self.answers.append(ended)
        self._is_loaded.set()
