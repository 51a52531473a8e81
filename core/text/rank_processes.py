"""Starts the processes of a training with several, passes on what the first one tells, and says why one ended."""

import contextlib
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from core.errors import CoreError, ExitCode, RefusedError, UsageError
from core.escape import escaped
from core.json_documents import json_decoder
from core.own_python import child_environment, module_command, signal_name
from core.progress import begins
from core.settings.text_model import TextModelSettings
from core.text.model_folder import TextModelManifest
from core.text.prepared import TextProgress
from core.text.rank_child import RankAnswer, RankDone, RankFailed, RankOrder, RankProgress
from core.text.ranks import RankLostError, RankPlace

MODULE = "core.text.rank_child"
_ANSWERS = json_decoder(RankAnswer)
_MOST_SAID = 300


class _RankProcess:
    """One of the processes. What it says, and its end, come in `news`."""

    def __init__(self, order: RankOrder, news: "queue.SimpleQueue[tuple[_RankProcess, RankAnswer | None]]") -> None:
        self.rank = order.place.rank
        self._news = news
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `kill` closes it
        self._process = subprocess.Popen(
            module_command(MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={"GLOO_SOCKET_IFNAME": "lo", **child_environment()},
            bufsize=0,
            start_new_session=True,  # Ctrl-C at the terminal is for the parent to handle
        )
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, which `news` says
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        threading.Thread(target=self._listen, name=f"rank-{self.rank}", daemon=True).start()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._errors.close()

    def death(self) -> str | None:
        """Say how it died, if it did without a word of its own."""
        code = self._process.poll()
        if code is None or code == ExitCode.GOOD:
            return None
        if code < 0:
            return f"was killed by {signal_name(code)}"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return (
            f"ended with exit code {code}: {escaped(said[-1])[:_MOST_SAID]}" if said else f"ended with exit code {code}"
        )

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said, os.fdopen(os.dup(said.fileno()), "rb") as lines:
            for line in lines:
                self._news.put((self, _ANSWERS.decode(line)))
        self._process.wait()
        self._news.put((self, None))


def train_in_processes(
    settings: TextModelSettings, path: Path, n_processes: int, report: Callable[[TextProgress], None]
) -> TextModelManifest:
    """Train a decoder in several processes on this machine, each in one thread.

    Args:
        settings: What is trained, on what.
        path: The folder, which the first process alone writes.
        n_processes: How many.
        report: Is told every evaluation.
    Raises:
        RankLostError: A process was killed or has crashed; its training can go on.
        CoreError: As for a training in one process.
    """
    begins(f"training in {n_processes} processes")
    news: queue.SimpleQueue[tuple[_RankProcess, RankAnswer | None]] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="bondx-ranks-") as folder:
        ranks: list[_RankProcess] = []
        try:
            for rank in range(n_processes):
                place = RankPlace(rank=rank, size=n_processes, local_rank=rank, meeting=f"file://{folder}/meeting")
                order = RankOrder(settings=settings, folder=str(path), place=place)
                ranks.append(_RankProcess(order, news))
            return _followed(ranks, news, report)
        finally:
            for each in ranks:
                each.kill()


def _followed(
    ranks: list[_RankProcess],
    news: "queue.SimpleQueue[tuple[_RankProcess, RankAnswer | None]]",
    report: Callable[[TextProgress], None],
) -> TextModelManifest:
    """Follow the processes to their end. Where one sees another one leave, the other one says why."""
    done: TextModelManifest | None = None
    lost: dict[int, RankFailed] = {}
    n_left = len(ranks)
    while n_left:
        rank, answer = news.get()
        match answer:
            case RankProgress(progress=progress):
                report(progress)
            case RankDone(manifest=manifest):
                done = manifest if rank.rank == 0 else done
            case RankFailed(is_lost=True):
                lost[rank.rank] = answer
            case RankFailed():
                raise _error_of(answer)
            case None:
                n_left -= 1
                if rank.rank not in lost and (death := rank.death()) is not None:
                    raise RankLostError(
                        f"Process {rank.rank} of the {len(ranks)} that train {death}. Give the same command again: "
                        "training goes on from its last checkpoint."
                    )
    if lost or done is None:
        raise _error_of(next(iter(lost.values())))
    return done


def _error_of(failed: RankFailed) -> CoreError:
    if failed.is_lost:
        return RankLostError(failed.problem)
    kinds: dict[int, type[CoreError]] = {ExitCode.REFUSED: RefusedError, ExitCode.USAGE: UsageError}
    return kinds.get(failed.exit_code, CoreError)(failed.problem)
