"""Cost of a live list on an SSH connection: our table compared with Textual's own, in one run.

    python benchmarks/bench_table.py [--seconds 10]

Three programs show 30 rows of 8 columns at 120x40 and change ten cells per second: `DataTable.update_cell`, our
`LiveTable` on a stock screen, and our `LiveTable` on a `LeanScreen`, as in the console. They run one after another,
each in its own pseudo-terminal. Counted are the bytes that the terminal receives and the program's CPU time, both after
the program has settled.
"""

import argparse
import random
import sys

from terminal_meter import Program

N_ROWS, N_COLUMNS, N_CHANGES = 30, 8, 10
SETTLE_SECONDS = 2.5
PROGRAMS = ("DataTable", "LiveTable", "LiveTable, lean")


def measure(program: str, seconds: float) -> tuple[float, float]:
    """Return bytes per second and CPU percent of one program in a true-colour terminal."""
    running = Program([sys.executable, __file__, "--program", program], env={"COLORTERM": "truecolor"})
    try:
        running.idle(SETTLE_SECONDS)
        return running.idle(seconds)
    finally:
        running.end()


def show(program: str) -> None:
    """Run as one of the programs."""
    from textual.app import App, ComposeResult
    from textual.screen import Screen
    from textual.widgets import DataTable

    from themes import style_sheets
    from themes.palettes import DEFAULT_THEME, THEMES, default_variables
    from widgets.live_table import Cell, Column, LiveTable, Row
    from widgets.wire import LeanScreen

    class Lean(LeanScreen, Screen[None]):
        pass

    chance = random.Random(1)
    values = [[f"{chance.random():.4f}" for _ in range(N_COLUMNS)] for _ in range(N_ROWS)]

    class Bench(App[None]):
        CSS_PATH = [str(path) for path in style_sheets()]
        ENABLE_COMMAND_PALETTE = False

        def get_theme_variable_defaults(self) -> dict[str, str]:
            return default_variables()

        def get_default_screen(self) -> Screen[None]:
            return Lean(id="_default") if program.endswith("lean") else Screen(id="_default")

        def compose(self) -> ComposeResult:
            if program == "DataTable":
                yield DataTable(cursor_type="row")
            else:
                yield LiveTable([Column(str(index), f"column {index}", 10) for index in range(N_COLUMNS)])

        def on_mount(self) -> None:
            self.register_theme(THEMES[DEFAULT_THEME])
            self.theme = DEFAULT_THEME
            if program == "DataTable":
                table = self.query_one(DataTable)
                self.keys = table.add_columns(*(f"column {index}" for index in range(N_COLUMNS)))
                for index, row in enumerate(values):
                    table.add_row(*row, key=str(index))
            else:
                self.fill()
            self.set_interval(1.0, self.tick)

        def fill(self) -> None:
            self.query_one(LiveTable).set_rows(
                [Row(str(index), tuple(Cell(value, "good") for value in row)) for index, row in enumerate(values)]
            )

        def tick(self) -> None:
            for _ in range(N_CHANGES):
                row, column = chance.randrange(N_ROWS), chance.randrange(N_COLUMNS)
                values[row][column] = f"{chance.random():.4f}"
                if program == "DataTable":
                    self.query_one(DataTable).update_cell(str(row), self.keys[column], values[row][column])
            if program != "DataTable":
                self.fill()

    Bench().run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--program", choices=PROGRAMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.program:
        show(arguments.program)
        return
    costs = {program: measure(program, arguments.seconds) for program in PROGRAMS}
    most_bytes, most_cpu = costs["DataTable"]
    print(f"{'ten changed cells per second, 120x40':36}{'bytes/s':>10}{'cpu %':>8}{'bytes':>10}{'cpu':>8}")
    for program, (n_bytes, cpu) in costs.items():
        fewer, less = most_bytes / max(n_bytes, 1e-9), most_cpu / max(cpu, 1e-9)
        print(f"{program:36}{n_bytes:>10,.0f}{cpu:>8.2f}{fewer:>8.1f} x{less:>6.1f} x")


if __name__ == "__main__":
    main()
