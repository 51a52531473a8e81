"""The recording of the console: an asciicast that shows the screens it was led to."""

import json

import pyte
import pytest

from tools import recording


@pytest.mark.journey
def test_a_recording_plays_in_a_terminal_and_shows_the_screens(tmp_path, capsys):
    file = tmp_path / "console.cast"
    assert recording.main([str(file), "--seconds", "33"]) == 0
    header, *events = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert (header["version"], header["width"], header["height"]) == (2, recording.COLUMNS, recording.ROWS)
    times = [at for at, _, _ in events]
    assert times == sorted(times)
    assert 15 < times[-1] < 60
    assert {kind for _, kind, _ in events} == {"o"}

    screen = pyte.Screen(recording.COLUMNS, recording.ROWS)
    stream, seen = pyte.Stream(screen), ""
    for _, _, text in events:
        stream.feed(text)
        seen += "\n".join(screen.display)
    for word in ("desk-risk", "Registry", "Rollouts", "Audit", "spread-desk"):
        assert word in seen, word
