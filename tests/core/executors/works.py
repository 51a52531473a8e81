"""Work for tests; a worker process finds it in a folder of its path."""

import os
import signal
import time
from pathlib import Path


class Doubled:
    """Doubles arrays, and multiplies them by what is shared."""

    def __init__(self, shared):
        self.factor = shared["factor"]
        if counted := shared.get("opened"):
            with Path(counted).joinpath(str(os.getpid())).open("a") as file:
                file.write("opened\n")

    def do(self, task):
        return {"array": task["array"] * 2 * self.factor, "pid": os.getpid()}


class Failing:
    """Fails as the task says."""

    def __init__(self, shared):
        pass

    def do(self, task):
        from core.errors import UsageError

        kinds = {"value": ValueError, "ours": UsageError, "library": type("LightGBMError", (Exception,), {})}
        if task == "plain":
            return object()
        raise kinds[task](f"{task} is wrong")


class Killed:
    """A task writes its process id and waits to be let go; the one that is killed is done again."""

    def __init__(self, shared):
        self.folder = Path(shared)

    def do(self, task):
        (self.folder / f"{task}-{os.getpid()}").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.01)
        return task * 10


class Suicidal:
    """Every attempt ends its worker."""

    def __init__(self, shared):
        pass

    def do(self, task):
        os.kill(os.getpid(), signal.SIGKILL)


def waits(share, folder):
    """Writes down its process, and waits to be let go."""
    return Killed(folder).do(share)


def dies(share):
    """Ends its worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def fit_with_a_pause(fit, folder, number, **options):
    """Fits a share; after the third tree it writes down its process, and waits to be let go, as all or as this one."""

    def pause(env):
        if env.iteration == 2:
            folder_of_all = Path(folder)
            (folder_of_all / f"{number}-{os.getpid()}").touch()
            while not any((folder_of_all / name).exists() for name in ("go", f"go.{os.getpid()}")):
                time.sleep(0.01)

    return fit(**options, callbacks=[pause])


HELD = []


def holds_memory(share):
    """Takes memory for good, above the 80 % at which Dask pauses a worker, and below the 95 % at which it ends one."""
    from distributed import get_worker

    worker = get_worker()
    taken = worker.monitor.get_process_memory()
    HELD.append(b"\x01" * max(int(0.88 * worker.memory_manager.memory_limit) - taken, 0))
    return share


def pid_of(share):
    """The process of the worker."""
    return os.getpid()
