import pytest

from core.errors import ExitCode
from core.registry.errors import ArtifactRefusedError, InvalidNameError
from core.registry.numbering import SemanticVersion, checked_model_name, version_key


def test_versions_sort_as_numbers_do() -> None:
    numbers = ["1.10.0", "1.9.0", "2.0.0", "1.9.12", "1.9.2"]
    assert sorted(numbers, key=SemanticVersion.parse) == ["1.9.0", "1.9.2", "1.9.12", "1.10.0", "2.0.0"]


@pytest.mark.parametrize(("part", "following"), [("major", "2.0.0"), ("minor", "1.5.0"), ("patch", "1.4.3")])
def test_raising_a_part_sets_those_after_it_to_zero(part, following: str) -> None:
    assert str(SemanticVersion(1, 4, 2).bump(part)) == following


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.-3", "1.2.3\n", "١.٢.٣", "9" * 5000]
)
def test_anything_but_three_plain_numbers_is_not_a_version(text: str) -> None:
    with pytest.raises(InvalidNameError, match="is not a valid version: it must be three numbers separated by dots"):
        SemanticVersion.parse(text)


@pytest.mark.parametrize("name", ["spread", "liquidity_shock", "a", "m2-large", "x" * 64])
def test_a_plain_name_is_a_model_name(name: str) -> None:
    assert checked_model_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="nothing"),
        pytest.param("../../etc", id="out of the folder"),
        pytest.param("/etc/passwd", id="an absolute path"),
        pytest.param("a/b", id="a path"),
        pytest.param(".staging", id="a hidden folder"),
        pytest.param("my model", id="a space"),
        pytest.param("modèle", id="an accent"),
        pytest.param("Spread", id="a capital, which some file systems take for the small letter"),
        pytest.param("spread\n", id="a line end"),
        pytest.param("spread\x1b[31m", id="a terminal sequence"),
        pytest.param("x" * 65, id="one letter too many"),
        pytest.param("x" * 100_000, id="far too long"),
        pytest.param("[red]x[/]", id="markup"),
    ],
)
def test_a_hostile_name_is_refused_in_one_short_printable_sentence(name: str) -> None:
    with pytest.raises(InvalidNameError) as refusal:
        version_key(name, "1.0.0")
    sentence = str(refusal.value)
    assert "lowercase letters" in sentence
    assert sentence.isprintable()
    assert len(sentence) < 250
    assert refusal.value.exit_code is ExitCode.USAGE


def test_a_number_may_be_chosen_if_it_comes_after_all_others(register) -> None:
    assert register(version="2.3.0").version == "2.3.0"
    assert register().version == "2.4.0"
    for taken in ("2.3.0", "2.4.0", "1.9.9"):
        with pytest.raises(
            ArtifactRefusedError,
            match=r"does not come after 2\.4\.0, the newest number of spread.*choose 3\.0\.0, 2\.5\.0, 2\.4\.1",
        ):
            register(version=taken)
    with pytest.raises(InvalidNameError):
        register(version="next")
