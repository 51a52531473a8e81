"""What the console does once a second, whatever is shown."""

from types import SimpleNamespace

from textual.geometry import Region

from console.app.app import BondxApp


def test_computed_regions_are_forgotten_every_minute():
    app = SimpleNamespace(shown_screen=lambda: None, _n_ticks=0)
    held = []
    for tick in range(180):
        Region(0, 0, 80, 1).intersection(Region(tick, 0, 500 + tick, 1))  # as a list does that changes
        held.append(Region.intersection.cache_info().currsize)
        BondxApp._tick(app)
    assert max(held[60:]) <= 60
