"""Screen 7: what the machine and the processes of BondX use, now and in the last ten minutes."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from console.presentation import resources
from console.screens.base import ConsoleScreen
from console.verbs.session import SESSION
from core.view.snapshot import HISTORY_SECONDS, Snapshot
from themes import screen_sheet
from widgets.chart import ChartView
from widgets.gauges import GaugeList
from widgets.line_chart import LineChart
from widgets.live_table import LiveTable
from widgets.painted import Painted

SPAN = (-HISTORY_SECONDS / 60, 0.0)
"""The minutes that the charts show, whether or not they were measured."""


class ResourcesScreen(ConsoleScreen):
    """The resources of the machine, and the processes that use them."""

    NAME = "resources"
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (SESSION,)
    PARTS = dict.fromkeys(("#gauges", "#processes", "#machine", "#network"), "resources")

    def compose_body(self) -> ComposeResult:
        """Yield gauges and processes above the charts."""
        with Horizontal(id="now"):
            yield GaugeList(id="gauges", classes="pane side")
            yield LiveTable(
                resources.PROCESS_COLUMNS,
                empty="No sample yet: the engine measures once a second.",
                id="processes",
                classes="pane main",
            )
        with Vertical(id="past"):
            of_shares = ChartView(x_range=SPAN, y_range=(0.0, 100.0))
            yield LineChart(y_title="%", x_title="min", view=of_shares, id="machine", classes="pane side")
            of_rates = ChartView(x_range=SPAN, from_zero=True)
            yield LineChart(y_title="KiB/s", x_title="min", view=of_rates, id="network", classes="pane side details")

    def main_table(self) -> LiveTable:
        """Return the list of processes."""
        return self.query_one("#processes", LiveTable)

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        gauges = self.query_one(GaugeList)
        gauges.set_gauges(resources.gauges(snapshot, self.console_app.settings.alerts, with_history=True))
        self.set_title(gauges, "Machine", f"network {resources.network(snapshot)}")
        table = self.main_table()
        table.set_rows(resources.process_rows(snapshot))
        self.set_title(table, "BondX processes", self.filter_words(table))
        machine, network = self.query_one("#machine", LineChart), self.query_one("#network", LineChart)
        machine.set_series(resources.machine_series(snapshot))
        self.set_title(machine, resources.span_title(snapshot, self.console_app.now()), resources.outlook(snapshot))
        network.set_series(resources.network_series(snapshot))
        self.set_title(network, "Network")

    def action_charts(self) -> None:
        """Draw the machine and the network on the whole screen."""
        from console.dialogs.charts import ChartsDialog
        from console.presentation.charts import machine_charts

        app = self.console_app
        self.app.push_screen(ChartsDialog("Machine", lambda _window: machine_charts(app.snapshot)))

    def sampled_panes(self) -> Sequence[Painted]:
        """Return the panes that age with the samples of the machine: all of them."""
        return tuple(self.query(Painted).filter(".pane"))
