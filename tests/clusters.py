"""A real Dask cluster for tests, in processes of its own."""

import signal
import subprocess
import sys
import threading

from core.own_python import child_environment
from core.settings.executor import ExecutorSettings


class Cluster:
    """A cluster of the command `bondx cluster start`, in processes of its own."""

    def __init__(self, *words):
        command = "import sys; from console.cli.main import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, "cluster", "start", *words],
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment(),
        )
        self.address = self.process.stdout.readline().split()[0]
        self.block = self.process.stdout.readline()
        # What LightGBM prints in workers would fill the pipe, and then they would wait.
        self._reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._reader.start()

    @property
    def settings(self):
        return ExecutorSettings(kind="dask", address=self.address)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
