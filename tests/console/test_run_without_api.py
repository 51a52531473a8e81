"""`bondx run` without `--api` says that the port for metrics stays closed."""

import pytest

from console.commands.run import _api


@pytest.mark.parametrize(
    ("settings", "says"),
    [("serving: {metrics_listen: '127.0.0.1:8000'}\n", "serving.metrics_listen 127.0.0.1:8000: add --api"), ("", "")],
    ids=["set", "unset"],
)
def test_metrics_need_a_server(workspace, capsys, settings, says):
    workspace.settings_file.write_text(settings)
    with _api(workspace, None) as address:
        assert address is None
    assert says in capsys.readouterr().err
