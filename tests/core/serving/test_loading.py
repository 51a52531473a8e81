"""The loader, turn by turn."""

from concurrent.futures import wait

from core.serving.loading import Loader
from core.serving.stats import ServerStats


def test_a_version_requested_during_a_refresh_is_loaded_in_the_next(workspace, artifacts, register):
    version = register(workspace, "spread", artifacts / "spread").version
    register(workspace, "spread", artifacts / "spread_other")  # the newest is loaded unasked
    wishes = []

    def publish(_table):
        if not wishes:
            wishes.append(loader.ask_for("spread", version))

    loader = Loader(workspace, ServerStats(), publish)
    loader.refresh()
    (wish,) = wishes
    assert not wish.done()
    loader.refresh()
    wait(loader._loading.values())
    loader.refresh()
    assert wish.result(0).version == version
    loader._worker.shutdown()
