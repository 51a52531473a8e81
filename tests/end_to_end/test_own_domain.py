"""The worked example of `docs/own-domain.md`, typed as it stands: installed by pip, trained, promoted and served."""

import http.client
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

PAGE = Path(__file__).parents[2] / "docs" / "own-domain.md"
TEXT = PAGE.read_text()
FILES = {"pyproject.toml": "toml", "houses.py": "py", "house_prices.py": "py", "houses.yaml": "yaml"}
LINES = re.search(r"```sh\n(.*?)```", TEXT, re.DOTALL)[1].splitlines()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Write the files of the page, and install its package into a folder of its own, as pip does everywhere else."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "houses").mkdir()
    for name, language in FILES.items():
        code = re.search(rf"`{re.escape(name)}`.*?```{language}\n(.*?)```", TEXT, re.DOTALL)[1]
        (folder / ("" if name.endswith("yaml") else "houses") / name).write_text(code)
    assert LINES[0] == "pip install ./houses"
    offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    typed(folder, [sys.executable, "-m", "pip", "install", *offline, "--target", "site", "./houses"])
    return folder


def environment(folder):
    site = os.pathsep.join(filter(None, (str(folder / "site"), os.environ.get("PYTHONPATH"))))
    kept = {key: value for key, value in os.environ.items() if key != "BONDX_ENV"}
    return kept | {"PYTHONPATH": site, "BONDX_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}


def typed(folder, words):
    words = [sys.executable, "-m", "bondx", *words[1:]] if words[0] == "bondx" else words
    done = subprocess.run(
        words, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.journey
def test_the_example_is_about_sixty_lines():
    code = [re.search(rf"`{name}`.*?```py\n(.*?)```", TEXT, re.DOTALL)[1] for name in FILES if name.endswith(".py")]
    assert sum(bool(line.strip()) for line in "".join(code).splitlines()) <= 75


@pytest.mark.journey
def test_a_domain_of_a_users_own_package_is_trained_promoted_and_served(desk):
    said = [typed(desk, shlex.split(line)) for line in LINES[1:5]]
    assert "500 houses" in said[0]
    assert "registered house_price/1.0.0" in said[1]
    assert "Production" in said[3]
    report = next((desk / "home" / "reports").glob("*/final_report.md")).read_text()
    assert "No house in these figures is real." in report
    assert "streets" in report
    port = free_port()
    serve = shlex.split(LINES[5].removesuffix("&").replace("8501", str(port)))
    body = shlex.split(LINES[6])[-1]
    server = subprocess.Popen(
        [sys.executable, "-m", "bondx", *serve[1:]], cwd=desk, env=environment(desk), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: server.poll() is not None or asked(port, "GET", "/ready")[0] == 200, "a server that is ready")
        status, answer = asked(port, "POST", "/api/v1/predict/house_price", body)
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)
    assert status == 200, answer
    price = json.loads(answer)["prediction"]
    assert price == pytest.approx(4.5 + 0.007 * 120 + 0.03 * 4 + 0.5, abs=0.1)


def asked(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
