"""Save the front pages of two desks, and print them as the file that another workspace imports.

    python examples/dashboard_customization/desk_views.py

The workspace is `$BONDX_HOME`, else the user's state folder. `:view rates-desk` opens one in the console.
"""

from pathlib import Path

from bondx.dashboard import BondXAIDashboard


def main() -> None:
    """Take the views of the file beside this one, and add one that is made here."""
    dashboard = BondXAIDashboard()
    dashboard.import_views(Path(__file__).with_name("views.yaml"), replace=True, reason="the desks of this team")
    dashboard.save_view(
        "rates-desk",
        ["alerts", {"pane": "models", "columns": ["model", "live", "health"]}, "course"],
        models=["rates_*", "spread"],
        title="Rates desk",
        replace=True,
        reason="the desks of this team",
    )
    print(dashboard.views_as_yaml())


if __name__ == "__main__":
    main()
