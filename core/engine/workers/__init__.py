"""The engine's workers. `WORKERS` is the list: what stands on it is given a thread when the engine starts.

sampler.py       measures machine and processes once a second, and judges the alert rules that rest on it
rollouts.py      judges candidates while there are any, and takes the next step of each
past.py          writes down what the documents say, so that a console can go back through it
silent_runs.py   puts on record which runs of other processes have fallen silent
change_notice.py notices what consoles and commands have written, and wakes those whom it concerns

The trainer (`core.training.trainer`) is a worker, too: it carries out sessions, with a child process for the
crunching. It starts first and ends first, for the others witness its last epoch.
"""

from collections.abc import Callable

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.engine.workers.past import PastRecorder
from core.engine.workers.rollouts import RolloutLoop
from core.engine.workers.sampler import Sampler
from core.engine.workers.silent_runs import SilentRuns

WORKERS: tuple[Callable[[EngineContext], Worker], ...] = (Sampler, RolloutLoop, PastRecorder, SilentRuns)
