"""Lines that wrap to their pane."""

from __future__ import annotations

from tests.apps import settled
from widgets.line import Line
from widgets.lines_pane import Caption, LinesPane, wrap


async def test_lines_that_are_shown_again_are_not_wrapped_again(stage, monkeypatch):
    wrapped: list[str] = []

    def noting(line: Line, width: int) -> list[Line]:
        wrapped.append(line.text)
        return wrap(line, width)

    monkeypatch.setattr("widgets.lines_pane.wrap", noting)
    pane = LinesPane()
    app = stage(pane)
    text = [Line(((f"change {number} ", "strong"), ("in a long sentence " * 6, ""))) for number in range(30)]
    async with app.run_test(size=(80, 24)) as pilot:
        pane.show(text)
        await settled(pilot)
        assert len(wrapped) <= 2 * len(text), "once for each width, the first of which is not known"
        wrapped.clear()
        app.forget()
        for _ in range(3):
            pane.show([Line(line.spans) for line in text])
            await settled(pilot)
        assert wrapped == []
        assert app.n_bytes == 0
        pane.show([*text, Line((("one more", ""),))])
        await settled(pilot)
        assert wrapped[-1] == "one more"


async def test_lines_that_no_key_scrolls_name_no_key(stage):
    for pane, mark in ((LinesPane(), "more lines: j, PgDn"), (Caption(), "more lines")):
        app = stage(pane)
        async with app.run_test(size=(40, 4)) as pilot:
            pane.styles.height = 4
            pane.show([Line(((f"change {number}", ""),)) for number in range(30)])
            await settled(pilot)
            assert app.text()[-1].strip().endswith(mark)
