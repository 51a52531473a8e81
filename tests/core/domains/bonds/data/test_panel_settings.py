import msgspec
import pytest

from core.domains.bonds.data import PanelSettings, PanelSettingsError


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"n_rows": 0}, "n_rows", id="no rows"),
        pytest.param({"n_rows": 10_000_000}, "n_rows", id="too many rows"),
        pytest.param({"n_rows": 3.5}, "n_rows", id="half a row"),
        pytest.param({"seed": -1}, "seed", id="a negative seed"),
        pytest.param({"n_years": 2}, "n_years", id="too short for an issuer's life"),
        pytest.param({"missing_rate": 0.9}, "missing_rate", id="more holes than columns allow"),
        pytest.param({"anomaly_share": 0.5, "maturity_error_rate": 0.8}, "add up", id="more faults than rows"),
        pytest.param({"noise_add": float("nan")}, "noise_add", id="not a number"),
    ],
)
def test_an_impossible_panel_is_refused_and_the_field_is_named(wrong, said):
    with pytest.raises(PanelSettingsError, match=said):
        PanelSettings(**wrong)


def test_settings_from_a_file_are_checked_the_same_way():
    with pytest.raises(msgspec.ValidationError, match="n_rows"):
        msgspec.json.decode(b'{"n_rows": 0}', type=PanelSettings)
    with pytest.raises(msgspec.ValidationError, match="rows"):
        msgspec.json.decode(b'{"rows": 10}', type=PanelSettings)
    assert msgspec.json.decode(msgspec.json.encode(PanelSettings(seed=7)), type=PanelSettings) == PanelSettings(seed=7)


def test_without_a_macro_seed_the_seed_determines_the_path():
    assert PanelSettings(seed=3).path_seed == 3
    assert PanelSettings(seed=3, macro_seed=0).path_seed == 0
