"""The compose file starts what the image holds, watches it by our rules, and asks for no rights."""

import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.cli.main import build_parser
from core.alerts.ready_made import READY_MADE_FILE
from core.alerts.rule_files import load_rule_file
from core.metrics.catalogue import CATALOGUE
from tests.packaging.container import ROOT, health_command, last
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

FOLDER = ROOT / "deploy" / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SCRAPING = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("engine", "server")
STORES = {"prometheus": "--storage.tsdb.path", "alertmanager": "--storage.path"}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PAGE = ROOT / "docs" / "containers.md"
PROGRAMS = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}  # as Debian names them
ASKING = ("promtool", "amtool")
RIGHTS = {
    *("privileged", "cap_add", "devices", "device_cgroup_rules", "group_add", "user", "sysctls"),
    *("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup", "cgroup_parent"),
}

each_service = pytest.mark.parametrize("service", SERVICES)
needs_programs = pytest.mark.skipif(
    not all(map(shutil.which, (*PROGRAMS.values(), *ASKING))),
    reason="apt-get install --no-install-recommends prometheus prometheus-alertmanager",
)


@pytest.fixture
def settings_text() -> str:
    """Prometheus needs its token here, as in a container of its own."""
    return "serving: {local_reads: false}\n"


def mounts(service: str) -> dict[str, str]:
    """Return what a service mounts, by the place in the container; read-only files with their mark."""
    return {place: source for source, _, place in (each.partition(":") for each in SERVICES[service]["volumes"])}


def files(service: str) -> dict[str, Path]:
    """Return the files of the repository that a service mounts, by the place in the container."""
    found = {place: source for place, source in mounts(service).items() if source.startswith(".")}
    assert all(place.endswith(":ro") for place in found), found
    return {place.removesuffix(":ro"): (FOLDER / source).resolve() for place, source in found.items()}


def flags(service: str) -> dict[str, str]:
    """Return the flags of a command with their values."""
    return dict(each.split("=", 1) for each in SERVICES[service]["command"])


def port(service: str) -> str:
    """Return the port of a service in its container; outside, it is the same, for this machine alone."""
    (published,) = SERVICES[service]["ports"]
    host, outside, inside = published.split(":")
    assert (host, outside) == ("127.0.0.1", inside)
    return inside


def test_the_images_are_ours_of_this_version_and_others_of_a_fixed_one():
    images = {name: re.fullmatch(r"\$\{([A-Z]+_IMAGE):-(\S+)\}", each["image"]) for name, each in SERVICES.items()}
    assert {images[name][2] for name in OURS} == {f"bondx-console:{VERSION}"}
    assert set(SERVICES) == {*OURS, *PROGRAMS, "grafana"}
    assert images["grafana"][1] == "GRAFANA_IMAGE"
    assert re.fullmatch(r"docker\.io/grafana/grafana:\d+\.\d+\.\d+", images["grafana"][2])
    for name in PROGRAMS:
        assert images[name][1] == f"{name.upper()}_IMAGE"
        assert re.fullmatch(rf"docker\.io/prom/{name}:v\d+\.\d+\.\d+", images[name][2])


@each_service
def test_a_service_has_no_rights(service):
    found = SERVICES[service]
    assert (found["read_only"], found["cap_drop"]) == (True, ["ALL"])
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert RIGHTS & set(found) == set()
    assert not [source for source in mounts(service).values() if source.startswith(("/", "~"))]
    if "ports" in found:
        port(service)


@each_service
def test_a_service_writes_to_its_volume_and_to_tmp_alone(service):
    stores = {place: source for place, source in mounts(service).items() if not source.startswith(".")}
    assert SERVICES[service]["tmpfs"] == ["/tmp"]
    if service in OURS:
        assert stores == {last("VOLUME").words[0]: "workspace"}
    elif service == "grafana":
        assert stores == {"/var/lib/grafana": "grafana"}
    else:
        assert stores == {flags(service)[STORES[service]]: service}
    assert set(stores.values()) <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("service", PROGRAMS)
def test_every_file_that_is_mounted_is_in_the_repository_and_is_read(service):
    for file in files(service).values():
        assert (
            subprocess.run(["git", "ls-files", "--error-unmatch", file], cwd=ROOT, capture_output=True).returncode == 0
        )
    read = {flags(service)["--config.file"]}
    if service == "prometheus":
        read |= {str(Path("/etc/prometheus") / name) for name in SCRAPING["rule_files"]}
    assert read == set(files(service))


def test_the_rules_are_those_that_come_with_bondx_and_name_metrics_of_the_catalogue():
    rules = files("prometheus")["/etc/prometheus/bondx.rules.yaml"]
    assert rules.read_text() == READY_MADE_FILE.read_text()
    named = {name for spec in CATALOGUE for name in spec.stored_names}
    found = set(re.findall(r"\bbondx_[a-z0-9_]+", "".join(str(rule) for rule in load_rule_file(rules).rules)))
    assert found
    assert found <= named


def test_the_commands_exist_and_the_engine_is_asked_as_by_the_image():
    assert SERVICES["engine"]["command"] == last("CMD").words
    assert SERVICES["engine"]["healthcheck"]["test"] == ["CMD", *health_command()]
    for name in OURS:
        build_parser().parse_args(SERVICES[name]["command"])
        assert SERVICES[name]["init"] is True
    assert SERVICES["server"]["depends_on"] == {"engine": {"condition": "service_healthy"}}


def test_a_port_is_one_from_the_program_to_the_one_that_asks():
    listen = build_parser().parse_args(SERVICES["server"]["command"]).listen
    assert listen == f"0.0.0.0:{port('server')}"
    assert port("server") == last("EXPOSE").rest
    (scraped,) = SCRAPING["scrape_configs"]
    assert scraped["static_configs"] == [{"targets": [f"server:{port('server')}"]}]
    (told,) = SCRAPING["alerting"]["alertmanagers"]
    assert told["static_configs"] == [{"targets": [f"alertmanager:{port('alertmanager')}"]}]
    for name in ("server", *PROGRAMS):
        assert re.search(rf"http://127\.0\.0\.1:{port(name)}\b", " ".join(SERVICES[name]["healthcheck"]["test"]))


def test_the_token_is_a_secret_that_the_page_makes_and_git_ignores():
    (name,) = SERVICES["prometheus"]["secrets"]
    (scraped,) = SCRAPING["scrape_configs"]
    assert scraped["authorization"] == {"credentials_file": f"/run/secrets/{name}"}
    file = FOLDER / COMPOSE["secrets"][name]["file"]
    assert subprocess.run(["git", "check-ignore", "--quiet", file], cwd=ROOT).returncode == 0
    (made,) = re.findall(r"^docker compose exec -T (.+) > (.+)$", PAGE.read_text(), re.MULTILINE)
    service, program, *words = made[0].split()
    assert (service, program, made[1]) == ("engine", "bondx", file.name)
    args = build_parser().parse_args(words)
    assert args.role == "viewer"


def test_grafana_shows_the_dashboards_of_the_repository_from_the_prometheus_beside_it():
    mounted = files("grafana")
    (source,) = (file for place, file in mounted.items() if place.startswith("/etc/grafana/provisioning/datasources/"))
    (provider,) = (file for place, file in mounted.items() if place.startswith("/etc/grafana/provisioning/dashboards/"))
    (datasource,) = yaml.safe_load(source.read_text())["datasources"]
    assert datasource["url"] == f"http://prometheus:{port('prometheus')}"
    (own,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert {**datasource, "url": own["url"]} == own, "the dashboards name it by its uid"
    (told,) = yaml.safe_load(provider.read_text())["providers"]
    dashboards = mounted[told["options"]["path"]]
    assert len(list(dashboards.glob("*.json"))) > 4
    (name,) = SERVICES["grafana"]["secrets"]
    assert SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == f"/run/secrets/{name}"
    file = FOLDER / COMPOSE["secrets"][name]["file"]
    assert subprocess.run(["git", "check-ignore", "--quiet", file], cwd=ROOT).returncode == 0
    assert f"> {file.name}" in PAGE.read_text()
    assert re.search(rf"http://127\.0\.0\.1:{port('grafana')}\b", " ".join(SERVICES["grafana"]["healthcheck"]["test"]))


def test_every_service_that_the_page_names_is_there():
    words = re.findall(
        r"^docker compose (?:up --detach|exec(?: -T)?|logs)(?: +([a-z]+))?", PAGE.read_text(), re.MULTILINE
    )
    assert words
    assert set(words) - {""} <= set(SERVICES)


@pytest.mark.journey
def test_the_server_is_asked_for_its_health(workspace):
    _, program, *words = SERVICES["server"]["healthcheck"]["test"]
    assert program == "python3"
    own = str(free_port())
    ask = [sys.executable, *(word.replace(port("server"), own) for word in words)]
    assert subprocess.run(ask, capture_output=True).returncode == 1
    with Started(serving(workspace, own)):
        until(lambda: subprocess.run(ask, capture_output=True).returncode == 0, "a server that answers")


@needs_programs
def test_prometheus_scrapes_the_server_and_tells_the_alertmanager_by_these_files(workspace, tmp_path):
    """The programs run with the commands of the compose file, at other ports and places."""
    ports = {name: str(free_port()) for name in ("server", *PROGRAMS)}
    command = [*bondx(workspace), "serve", "token", "create", "prometheus", "--role", "viewer"]
    token = tmp_path / "token"
    token.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def ours(text: str) -> str:
        for name, own in ports.items():
            text = text.replace(f"{name}:{port(name)}", f"127.0.0.1:{own}")
            text = text.replace(f"127.0.0.1:{port(name)}", f"127.0.0.1:{own}")
        return text.replace(": 15s", ": 1s").replace("/run/secrets/prometheus-token", str(token))

    def start(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        for place, file in files(name).items():
            (folder / Path(place).name).write_text(ours(file.read_text()))
        own = {**flags(name), "--web.listen-address": f"127.0.0.1:{ports[name]}", STORES[name]: str(folder / "store")}
        own["--config.file"] = str(folder / Path(own["--config.file"]).name)
        held.enter_context(Started([PROGRAMS[name], *(f"{flag}={value}" for flag, value in own.items())]))

    def asked(what: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['prometheus']}/api/v1/{what}") as answer:
            return answer.read().decode()

    with ExitStack() as held:
        held.enter_context(Started(serving(workspace, ports["server"])))
        for name, program in PROGRAMS.items():
            shown = subprocess.run([program, "--help"], capture_output=True, text=True)
            assert re.search(rf"--web\.listen-address=.*:{port(name)}\b", shown.stdout + shown.stderr), name
            start(name)
        for name in PROGRAMS:
            ask = [ours(word) for word in SERVICES[name]["healthcheck"]["test"][1:]]
            until(lambda ask=ask: subprocess.run(ask, capture_output=True).returncode == 0, f"a healthy {name}")
        until(lambda: '"health":"up"' in asked("targets"), "a target that answers", told=lambda: asked("targets"))
        until(lambda: f":{ports['alertmanager']}/" in asked("alertmanagers"), "an Alertmanager that is told")
        assert '"name":"EngineSilent"' in asked("rules")


class Started:
    """A program that runs while the block does."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)


def bondx(workspace: Any) -> list[str]:
    return [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root)]


def serving(workspace: Any, port: str) -> list[str]:
    return [*bondx(workspace), "serve", "--listen", f"127.0.0.1:{port}"]
