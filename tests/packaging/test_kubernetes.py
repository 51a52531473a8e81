"""The manifests hold to the schemas of Kubernetes, ask for no rights, and start what the image holds."""

import itertools
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from console.cli.main import build_parser
from core.alerts.ready_made import READY_MADE_FILE
from core.settings import load_settings
from tests.packaging.container import ROOT, environment, last
from tools import prometheus_rule

FOLDER = ROOT / "deploy" / "kubernetes"
MONITORING = FOLDER / "monitoring"
REPLICAS = FOLDER / "replicas"
VARIANTS = sorted({file.parent.name for file in FOLDER.glob("*/kustomization.yaml")} - {MONITORING.name, REPLICAS.name})
VERSIONS = ("1.35", "1.36", "1.37")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def rendered(variant: str) -> list[dict[str, Any]]:
    """Render a variant as a person does who applies it."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / variant)], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def resources() -> list[dict[str, Any]]:
    names = documents(FOLDER / "base" / "kustomization.yaml")[0]["resources"]
    return [document for name in names for document in documents(FOLDER / "base" / name)]


def monitoring(kind: str) -> dict[str, Any]:
    """Return the one resource of a kind for the Prometheus operator."""
    names = documents(MONITORING / "kustomization.yaml")[0]["resources"]
    found = [document for name in names for document in documents(MONITORING / name)]
    assert {each["kind"] for each in found} == {"PodMonitor", "PrometheusRule", "NetworkPolicy"}
    (wanted,) = (each for each in found if each["kind"] == kind)
    return wanted


def pod() -> dict[str, Any]:
    (found,) = (each for each in resources() if each["kind"] == "StatefulSet")
    return found["spec"]["template"]["spec"]


def containers() -> list[dict[str, Any]]:
    return [*pod()["initContainers"], *pod()["containers"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_holds_to_the_schema(version):
    assert {each["kind"] for each in resources()} == {"ServiceAccount", "Service", "StatefulSet", "NetworkPolicy"}
    for resource in resources():
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_schema_refuses_a_field_that_does_not_exist():
    (found,) = (each for each in resources() if each["kind"] == "NetworkPolicy")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**found, "specs": {}}, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_renders_to_what_holds_to_the_schemas(variant):
    found = rendered(variant)
    for resource, version in itertools.product(found, VERSIONS):
        kubernetes_validate.validate(resource, version, strict=True)
    (workload,) = (each for each in found if each["kind"] == "StatefulSet")
    spec = workload["spec"]["template"]["spec"]
    for each in (*spec["initContainers"], *spec["containers"]):
        assert each["image"] == f"bondx-console:{VERSION}"
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
        build_parser().parse_args(each["args"])


def test_the_variant_with_https_has_certificate_and_key_from_a_secret_and_asks_probes_so():
    (workload,) = (each for each in rendered("tls") if each["kind"] == "StatefulSet")
    spec = workload["spec"]["template"]["spec"]
    (server,) = (each for each in spec["containers"] if each["name"] == "server")
    assert {server[probe]["httpGet"]["scheme"] for probe in server if probe.endswith("Probe")} == {"HTTPS"}
    args = build_parser().parse_args(server["args"])
    (mount,) = (each for each in server["volumeMounts"] if each["name"] == "tls")
    assert {Path(file).parent for file in (args.certificate, args.key)} == {Path(mount["mountPath"])}
    assert mount["readOnly"] is True
    (volume,) = (each for each in spec["volumes"] if each["name"] == "tls")
    assert set(volume["secret"]) == {"secretName", "defaultMode"}
    assert len([probe for probe in server if probe.endswith("Probe")]) == 3


def test_no_manifest_holds_a_secret():
    kinds = {document["kind"] for file in FOLDER.glob("*/*.yaml") for document in documents(file) if "kind" in document}
    assert len(kinds) > 5
    assert "Secret" not in kinds


def test_the_pod_runs_as_the_account_of_the_image():
    user, group = map(int, last("USER").rest.split(":"))
    context = pod()["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (user, group, group)
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod()["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod())


@pytest.mark.parametrize("container", containers(), ids=lambda container: container["name"])
def test_a_container_has_no_rights_and_limits(container):
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert container["image"] == "bondx-console"
    assert "command" not in container  # the image's own
    build_parser().parse_args(container["args"])


@pytest.mark.parametrize("container", containers(), ids=lambda container: container["name"])
def test_a_container_writes_to_the_volume_of_the_image_and_to_tmp_alone(container):
    places = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    (volume,) = last("VOLUME").words
    assert places == {volume: "data", "/tmp": "tmp"}
    assert Path(environment()["BONDX_HOME"]).is_relative_to(volume)


def test_only_the_engine_and_the_server_stay_and_both_are_probed():
    engine, server = pod()["containers"]
    assert engine["args"][0] == "run"
    assert server["args"][0] == "serve"
    assert {"startupProbe", "livenessProbe"} <= set(engine)
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(server)
    for probe in ("startupProbe", "livenessProbe"):
        program, *words = engine[probe]["exec"]["command"]
        assert program == "bondx"
        build_parser().parse_args(words)
    paths = [server[probe]["httpGet"]["path"] for probe in server if probe.endswith("Probe")]
    assert sorted(paths) == ["/health", "/health", "/ready"]


def test_the_port_is_one_from_the_server_to_the_clients():
    _, server = pod()["containers"]
    (port,) = server["ports"]
    assert str(port["containerPort"]) == last("EXPOSE").rest
    assert build_parser().parse_args(server["args"]).listen == f"0.0.0.0:{port['containerPort']}"
    for service in (each for each in resources() if each["kind"] == "Service"):
        assert [each["targetPort"] for each in service["spec"]["ports"]] == [port["name"]]
    (policy,) = (each for each in resources() if each["kind"] == "NetworkPolicy")
    (rule,) = policy["spec"]["ingress"]
    assert [each["port"] for each in rule["ports"]] == [port["name"]]


def test_every_selector_finds_the_pod_and_nothing_scales_it():
    (workload,) = (each for each in resources() if each["kind"] == "StatefulSet")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"] == labels
    assert {
        each["spec"]["selector"]["app.kubernetes.io/name"] for each in resources() if each["kind"] == "Service"
    } == {labels["app.kubernetes.io/name"]}
    assert workload["spec"]["replicas"] == 1
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_prometheus_judges_the_rules_that_come_with_bondx():
    assert monitoring("PrometheusRule")["spec"] == yaml.safe_load(READY_MADE_FILE.read_text())
    assert prometheus_rule.FILE.read_text() == prometheus_rule.resource(), "python -m tools.prometheus_rule writes it"


def test_prometheus_scrapes_the_pod_once_at_the_port_of_its_server_with_the_token_of_the_page():
    spec = monitoring("PodMonitor")["spec"]
    (workload,) = (each for each in resources() if each["kind"] == "StatefulSet")
    assert spec["selector"]["matchLabels"] == workload["spec"]["template"]["metadata"]["labels"]
    (target,) = spec["podMetricsEndpoints"]
    ports = [port["name"] for container in containers() for port in container.get("ports", ())]
    assert (ports, target["path"]) == ([target["port"]], "/metrics")
    text = (ROOT / "docs" / "containers.md").read_text().replace("\\\n", " ")
    (made,) = re.findall(r"^kubectl create secret generic (bondx-prometheus .+)$", text, re.MULTILINE)
    name, _, _, literal = shlex.split(made)[:4]
    key, _, command = literal.removeprefix("--from-literal=").partition("=")
    assert target["authorization"]["credentials"] == {"name": name, "key": key}
    assert build_parser().parse_args(shlex.split(command.strip("$()").partition(" -- bondx ")[2])).role == "viewer"


def test_the_operators_prometheus_reaches_the_server_and_nothing_else_of_the_pod():
    policy = monitoring("NetworkPolicy")
    for version in VERSIONS:
        kubernetes_validate.validate(policy, version, strict=True)
    (own,) = (each for each in resources() if each["kind"] == "NetworkPolicy")
    assert policy["metadata"]["name"] != own["metadata"]["name"]
    assert policy["spec"]["podSelector"] == own["spec"]["podSelector"]
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == own["spec"]["ingress"][0]["ports"]
    (source,) = rule["from"]
    assert set(source) == {"namespaceSelector", "podSelector"}


def test_the_resources_of_the_operator_render():
    assert sorted(each["kind"] for each in rendered("monitoring")) == ["NetworkPolicy", "PodMonitor", "PrometheusRule"]


def replicas(kind: str) -> dict[str, Any]:
    """Return the one resource of a kind for servers on other nodes, as rendered."""
    (found,) = (each for each in rendered("replicas") if each["kind"] == kind)
    return found


def test_the_resources_of_replicas_hold_to_the_schemas():
    found = rendered("replicas")
    kinds = ["ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget"]
    assert sorted(each["kind"] for each in found) == [*kinds, "Service", "ServiceAccount"]
    for resource, version in itertools.product(found, VERSIONS):
        kubernetes_validate.validate(resource, version, strict=True)


def test_a_replica_has_the_account_and_no_more_rights_than_the_pod_of_the_workspace():
    spec = replicas("Deployment")["spec"]["template"]["spec"]
    own = {key: value for key, value in pod()["securityContext"].items() if key != "fsGroupChangePolicy"}
    assert spec["securityContext"] == own
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    (volume,) = last("VOLUME").words
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == containers()[0]["securityContext"]
        assert "memory" in container["resources"]["limits"]
        assert container["image"] == f"bondx-console:{VERSION}"
        build_parser().parse_args(container["args"])
        places = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert places == {volume: "data", "/tmp": "tmp"}
    (server,) = spec["containers"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(server)
    assert server["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_the_settings_of_a_replica_follow_the_service_of_the_workspace_with_a_token_from_a_secret(tmp_path):
    (tmp_path / "bondx.yaml").write_text(replicas("ConfigMap")["data"]["bondx.yaml"])
    serving = load_settings(tmp_path / "bondx.yaml").serving
    (service,) = (each for each in resources() if each["kind"] == "Service" and each["spec"].get("clusterIP") == "None")
    assert serving.follow.url == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    spec = replicas("Deployment")["spec"]["template"]["spec"]
    (server,) = spec["containers"]
    assert serving.listen == f"0.0.0.0:{server['ports'][0]['containerPort']}" == f"0.0.0.0:{last('EXPOSE').rest}"
    (token,) = server["env"]
    assert token["name"] == serving.follow.token_env
    reference = token["valueFrom"]["secretKeyRef"]
    text = (ROOT / "docs" / "containers.md").read_text().replace("\\\n", " ")
    (made,) = re.findall(r"^kubectl create secret generic (bondx-replica .+)$", text, re.MULTILINE)
    name, _, _, literal = shlex.split(made)[:4]
    assert reference == {"name": name, "key": literal.removeprefix("--from-literal=").partition("=")[0]}
    (mount,) = (each for each in server["volumeMounts"] if each["name"] == "settings")
    assert mount["mountPath"] == f"{environment()['BONDX_HOME']}/bondx.yaml"
    (volume,) = (each for each in spec["volumes"] if each["name"] == "settings")
    assert volume["configMap"]["name"] == replicas("ConfigMap")["metadata"]["name"]


def test_replicas_are_scaled_kept_up_and_reach_the_workspace():
    workload = replicas("Deployment")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    selector = workload["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert "replicas" not in workload["spec"], "an apply would undo what the autoscaler has decided"
    scaler = replicas("HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "bondx-replica"}
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    budget = replicas("PodDisruptionBudget")["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": selector}}
    assert workload["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    policy = replicas("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == selector
    (own,) = (each for each in resources() if each["kind"] == "NetworkPolicy")
    (allowed,) = own["spec"]["ingress"][0]["from"]
    assert allowed["podSelector"]["matchLabels"].items() <= labels.items(), "the policy of the base lets it in"
    workspace = own["spec"]["podSelector"]["matchLabels"]
    assert not workspace.items() <= labels.items(), "no service of the workspace leads to a replica"
