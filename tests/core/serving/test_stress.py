"""Stress tests over HTTP."""

import pytest

from core.serving.access import Role, Tokens

ROW = {"bond_id": "A", "rating": "BBB", "coupon_pct": 4, "maturity_years": 5, "ytm_pct": 4, "position_musd": 10}


HELD = {"hub": "FR", "tenor_months": 6, "net_quantity_units": -1000, "mark_price": 60}


@pytest.mark.journey
def test_positions_are_stressed_and_the_result_is_kept(workspace, running, ana):
    operator, viewer = (
        Tokens(workspace).create(role.value, role, actor=ana)[1] for role in (Role.OPERATOR, Role.VIEWER)
    )
    wish = {"positions": [ROW], "scenarios": ["rates_up"], "severities": ["severe"], "reason": "weekly"}
    with running(workspace) as server:
        server.token = operator
        made = server.ask("/api/v1/stress", wish)
        again = server.ask("/api/v1/stress", wish)
        panel = server.ask("/api/v1/stress", {"n_rows": 60, "seed": 3, "scenarios": ["inflation"]})
        both = server.ask("/api/v1/stress", wish | {"n_rows": 5})
        energy = server.ask("/api/v1/stress", {"domain": "etrm", "positions": [HELD], "scenarios": ["outage"]})
        reverse = server.ask("/api/v1/stress/reverse", {"loss": 0.05, "positions": [ROW], "scenarios": ["rates_up"]})
        gates = server.ask(
            "/api/v1/stress/reverse", {"gates": [], "n_rows": 60, "scenarios": ["global_liquidity_freeze"]}
        )
        neither = server.ask("/api/v1/stress/reverse", {"positions": [ROW]})
        unknown = server.ask("/api/v1/stress", {"scenarios": ["freeze"]})
        wrong = server.ask("/api/v1/stress", {"positions": [ROW | {"rating": "ZZ"}]})
        server.token = viewer
        listed = server.ask("/api/v1/stress")
        shown = server.ask("/api/v1/stress/st-0001")
        compared = server.ask("/api/v1/stress/compare?before=st-0001&after=st-0002")
        scenarios = server.ask("/api/v1/stress/scenarios")
        missing = server.ask("/api/v1/stress/st-0099")
        assert server.ask("/api/v1/stress", wish).status == 403
    assert (made.status, again.status, panel.status) == (201, 201, 201)
    assert (reverse.status, gates.status, neither.status) == (200, 200, 400)
    assert [each["direction"] for each in reverse.json] == ["rates_up/severe", "least favourable"]
    assert abs(reverse.json[0]["pnl_share"] + 0.05) < 1e-6
    assert (gates.json[0]["target"], len(gates.json[0]["gates"]) > 0) == ("gate", True)
    assert (energy.status, energy.json["value_unit"]) == (201, "EUR m")
    assert energy.json["cases"][2]["pnl_share"] < -0.3
    assert made.json["cases"][0]["pnl_share"] < 0
    assert [test["test_id"] for test in listed.json] == ["st-0004", "st-0003", "st-0002", "st-0001"]
    assert shown.json["cases"][0]["factors"]["rates"] == shown.json["cases"][0]["pnl"]
    assert shown.json["portfolio"] == "positions"
    assert compared.json[0]["impact"] == compared.json[0]["impact_before"]
    assert {each["family"] for each in scenarios.json} >= {"rate_shock", "inflation"}
    assert (both.status, unknown.status, missing.status) == (400, 404, 404)
    assert wrong.status == 400
    assert "rows" in wrong.json["error"]


def test_the_refusal_of_positions_quotes_no_cell_of_a_denied_column(workspace, running, ana):
    workspace.settings_file.write_text("explanation: {denied_columns: [rating]}\n")
    operator = Tokens(workspace).create("operator", Role.OPERATOR, actor=ana)[1]
    positions = [ROW | {"rating": "zeppelin"}]
    with running(workspace) as server:
        server.token = operator
        for path, more in (("/api/v1/stress", {}), ("/api/v1/stress/reverse", {"loss": 0.05})):
            answer = server.ask(path, {"positions": positions, **more})
            assert answer.status == 400
            assert "rating" in answer.json["error"]
            assert "zeppelin" not in str(answer.json).lower()
