"""A server answers for the models of its list alone, with the versions that it names, and says what is missing."""

import pytest

from console.cli.main import main
from core.registry import Registry
from core.serving.access import Role, Tokens
from core.serving.offers import notes_on, offer_of
from core.settings.promotion import PromotionSettings
from core.settings.served_models import ServedModelSettings

LIST = """\
model_config_list {
  config {
    name: "spread"
    base_path: "/models/spread"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 } }
    version_labels { key: "stable" value: 1 }
  }
  config { name: "ghost" }
}
"""
GHOST = "ghost is on the list of what to serve (serving.models), but not registered"


@pytest.fixture
def registered(workspace, staged, artifacts, put_live, tmp_path):
    """A workspace with spread 1.0.0 live and 1.1.0 in Staging, and with downgrade live."""
    put_live(workspace, "downgrade", artifacts / "downgrade")
    file = tmp_path / "models.config"
    file.write_text(LIST)
    return file


@pytest.mark.parametrize("flag", ["--model-config-file", "--model_config_file"])
def test_a_list_of_tensorflow_serving_says_what_is_served(workspace, registered, running, rows_of, ana, flag):
    _, token = Tokens(workspace).create("caller", Role.VIEWER, actor=ana)
    with running(workspace, flag, str(registered)) as server:
        server.token = token
        body = {"instances": rows_of("spread", 1)}
        for path in ("spread", "spread/labels/stable", "spread/labels/production", "spread/versions/1.0.0"):
            answer = server.ask(f"/v1/models/{path}:predict", body)
            assert (answer.status, answer.headers["x-bondx-version"]) == (200, "1.0.0")
        for path in ("spread/versions/1.1.0", "spread/labels/staging", "downgrade"):
            assert server.ask(f"/v1/models/{path}:predict", body).status == 404
        assert server.ask("/v1/models").json["models"] == ["spread"]
        assert [each["version"] for each in server.ask("/v2/repository/index", b"").json] == ["1.0.0"]
        ready = server.ask("/ready")
        assert (ready.status, ready.json["models"]) == (200, {"spread": True, "ghost": False})
        assert ready.json["not_ready"] == server.ask("/health").json["not_ready"] == {"ghost": f"{GHOST}."}
        assert ready.json["reasons"] == [GHOST]
    said = (workspace.logs_dir / "serve.err").read_text()
    assert "spread: base_path and model_platform of the list are ignored: the registry holds the files" in said


@pytest.mark.journey
def test_a_list_in_the_settings_may_pin_a_version_and_load_all(workspace, registered, running, rows_of):
    workspace.settings_file.write_text(
        "policy: {promotion: {min_accuracy: 0}}\n"
        "serving: {models: {spread: {versions: ['1.1'], labels: {Canary: staging}}, downgrade: {versions: all}}}\n"
    )
    with running(workspace) as server:
        for path in ("spread", "spread/labels/canary"):
            answer = server.ask(f"/v1/models/{path}:predict", {"instances": rows_of("spread", 1)})
            assert (answer.status, answer.headers["x-bondx-version"]) == (200, "1.1.0")
        assert server.ask("/v1/models/spread/labels/production").status == 404
        assert server.ask("/ready").json["models"] == {"downgrade": True, "spread": True}


@pytest.mark.journey
@pytest.mark.parametrize(
    "text",
    ["serving: {models: {spread: {}}}\n", "model_config_list: {config: [{name: spread, base_path: /models/spread}]}\n"],
    ids=["serving.models", "model_config_list"],
)
def test_a_list_in_the_file_of_config_says_what_is_served(workspace, registered, running, tmp_path, text):
    over = tmp_path / "over.yaml"
    over.write_text(text)
    with running(workspace, "--config", str(over)) as server:
        assert server.ask("/v1/models").json["models"] == ["spread"]


@pytest.mark.parametrize("more", [(), ("--workers", "2")])
def test_a_list_that_cannot_be_read_is_refused_at_its_place(workspace, tmp_path, capsys, more):
    file = tmp_path / "models.config"
    file.write_text('model_config_list {\n  config { name: "spread" base: 1 }\n}')
    arguments = ["serve", "--listen", "127.0.0.1:0", "--model-config-file", str(file), *more]
    assert main(["--workspace", str(workspace.root), *arguments]) == 2
    assert "models.config, line 2, column 27: config has no field 'base': it has name, " in capsys.readouterr().err


class TestOffer:
    @pytest.fixture
    def offer(self, workspace, staged, register, artifacts, ana):
        registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
        registry.apply(registry.plan_promotion("spread", "1.1.0"), actor=ana)
        register(workspace, "spread", artifacts / "spread")

        def offered(arms=(), **entry):
            return offer_of(
                next(model for model in registry.models() if model.model == "spread"),
                registry.versions("spread"),
                ServedModelSettings(**entry) if entry else None,
                aliases={"champion": "1.1.0"},
                arms=arms,
                arm_labels={"candidate": arms[1]} if arms else {},
            )

        return offered

    @pytest.mark.parametrize(
        ("entry", "numbers", "live", "kept"),
        [
            ({}, {"1.0.0", "1.1.0", "1.2.0"}, "1.1.0", ["1.0.0"]),
            ({"labels": {"x": 1}}, {"1.0.0", "1.1.0", "1.2.0"}, "1.1.0", ["1.0.0"]),
            ({"versions": "latest"}, {"1.1.0"}, "1.1.0", ["1.1.0"]),
            ({"versions": "latest", "latest": 2}, {"1.0.0", "1.1.0"}, "1.1.0", ["1.0.0", "1.1.0", "1.0.0"]),
            ({"versions": "latest", "labels": {"old": 1}}, {"1.0.0", "1.1.0"}, "1.1.0", ["1.0.0", "1.1.0"]),
            ({"versions": (1, "1.2")}, {"1.0.0", "1.2.0"}, "1.2.0", ["1.0.0", "1.0.0", "1.2.0"]),
        ],
    )
    def test_has_the_versions_of_its_policy(self, offer, entry, numbers, live, kept):
        found = offer(**entry)
        assert {version.version for version in found.versions} == numbers
        assert (found.live, list(found.kept), found.is_pinned) == (live, kept, live == "1.2.0")

    def test_all_are_those_that_are_not_archived(self, offer):
        found = offer(versions="all")
        assert {version.version for version in found.versions} == {"1.1.0", "1.2.0"}  # promoting 1.1.0 archived 1.0.0

    def test_a_rollout_is_served_unless_the_versions_are_named(self, offer):
        arms = ("1.1.0", "1.2.0")
        assert (offer(arms, versions="latest").arms, offer(arms, versions=("1.1.0",)).arms) == (arms, ("1.1.0",))
        assert "candidate" not in offer(arms, versions=("1.1.0",)).labels

    def test_a_label_follows_an_alias_or_a_stage(self, offer):
        found = offer(labels={"Best": "@champion", "next": "development", "gone": "nobody", "no": 7})
        assert (found.labels["best"], found.labels["next"]) == ("1.1.0", "1.2.0")
        assert not {"gone", "no"} & found.labels.keys()
        assert found.unregistered == ("7.0.0",)


def test_one_sentence_tells_what_is_ignored_of_a_model():
    listed = {"spread": ServedModelSettings(ignored=("base_path",)), "downgrade": ServedModelSettings()}
    assert notes_on(listed) == [
        "spread: base_path of the list is ignored: the registry holds the files of a model and says what computes it"
    ]
