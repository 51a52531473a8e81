"""What an expression finds, and where it is wrong."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.tracking import ExpressionError, Run, RunStatus
from core.tracking.fields import field_named, nearest_field
from core.tracking.search import parse

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
RUN = Run(
    run_id="r-0007",
    session_id="",
    name="nightly",
    status=RunStatus.FINISHED,
    started_at=AT,
    started_by="ana@desk",
    ended_at=datetime(2026, 3, 2, 9, 31, tzinfo=UTC),
    parameters={
        "model": "spread",
        "trees": {"depth": 6},
        "stacked": True,
        "rate": 0.1,
        "batch size": 32,
        "seed": 12345678901234567,
    },
    metrics={"mae": 0.15, "downgrade.auc": 0.8, "test mae": 0.2},
    tags={
        "desk": "credit",
        'say "hi"': "yes",
        "a\\b": "back",
        "fold": "3",
        "path": r"C:\data\it's",
        "share": "50%",
        "seed": "12345678901234567",
    },
    data_hashes={"train": "ab12"},
    updated_at=AT,
    updated_by="ana@desk",
)


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("metrics.mae < 0.2 and params.model = 'spread'", True),
        ("metrics.mae < 0.1 or params.model = 'spread'", True),
        ("metrics.mae < .15", False),
        ("metrics.mae <= 1.5e-1", True),
        ("metrics.downgrade.auc >= 0.8", True),
        ("metrics.`test mae` = 0.2", True),
        ('metrics."test mae" = 0.2', True),
        ('metrics."test mae" > 0.2', False),
        ('params."batch size" = 32 and params.`batch size` in (32, 64)', True),
        ('tags."say \\"hi\\"" = \'yes\'', True),
        ("tags.`say \"hi\"` = 'yes'", True),
        ("tags.`a\\b` = 'back'", True),
        ('tags."a\\\\b" = "back"', True),
        ('attributes."name" = "nightly"', True),
        ('metrics."nothing here" is null', True),
        ("params.trees.depth = 6", True),
        ("params.trees.depth != 6", False),
        ("params.trees.depth in (4, 6)", True),
        ("params.trees.depth not in (4, 6)", False),
        ("params.rate = 0.1", True),
        ("params.stacked = true", True),
        ("params.stacked != true", False),
        ("parameter.model == \"spread\"", True),
        ("tags.fold > 2", True),
        ("tags.desk like 'cr%'", True),
        ("tags.desk not like 'cr%'", False),
        ("tags.desk like 'cr'", False),
        ("tags.nothing = 'x'", False),
        ("tags.nothing != 'x'", False),
        ("tags.nothing is null", True),
        ("tags.desk is not null", True),
        ("session_id is null", True),
        ("data.train = 'ab12'", True),
        ("status = 'finished'", True),
        ("run.status = 'failed'", False),
        ("status = 'FINISHED' and status in ('Failed', 'FINISHED')", True),
        # the statuses of MLflow, and patterns of statuses without regard to case
        ("status = 'KILLED' or status != 'stopped'", True),
        ("attributes.status in ('FINISHED', 'KILLED')", True),
        ("status like 'FIN%' and status ilike '%ished' and status not like 'KILL%'", True),
        # the attributes of MLflow
        ("attributes.run_name = 'nightly' and run_name = name", None),
        ("attributes.run_name = 'nightly' and attribute.run_name != 'x' and attr.run_name = \"nightly\"", True),
        ("`run name` = 'nightly' and `Run name` = 'nightly' and attributes.`Run Name` = 'nightly'", True),
        ("\"run_name\" = 'nightly' and `run_name` = 'nightly' and `attributes`.run_name = 'nightly'", True),
        ("`metrics`.mae < 0.2 and `params`.`batch size` = 32", True),
        ("attributes.run_id in ('r-0007', 'r-0009') and attr.run_id not in ('r-0008')", True),
        ("attributes.user_id = 'ana@desk'", True),
        ("attributes.start_time = 1772443800000 and created <= 1772443800000", True),
        ("attributes.start_time > 1772443800000", False),
        ("start_time > 0 and end_time > -1 and end_time < 253402300799000", True),
        ("attributes.end_time > '2026-03-02T09:30' and end_time = 1772443860000.0", True),
        # patterns
        ("name ilike 'NIGHT%' and tags.desk ilike 'CREDIT'", True),
        ("name like 'NIGHT%'", False),
        ("name not ilike 'NIGHT%'", False),
        ("name like 'night_y' and name like '_______'", True),
        ("name like '______'", False),
        (r"name like 'night\_y'", False),
        ("params.`batch size` like '3_' and params.stacked like 'tr%'", True),
        ("tags.nothing ilike '%' or tags.nothing not ilike 'x'", False),
        ("diverged = false and diverged != 'TRUE'", True),
        ("duration_seconds = 60", True),
        ("started_at >= '2026-03-02'", True),
        ("started_at < '2026-03-02T10:30:00+01:00'", False),
        ("started_at = '2026-03-02T10:30:00+01:00'", True),
        ("not metrics.mae < 0.1", True),
        ("not (metrics.mae < 0.1 or name = 'nightly')", False),
        ("NAME = 'x'", None),
        ("metrics.mae<0.2 AND NOT name='daily' OR name='x'", True),
        ("name = 'night\\'ly'", False),
        (r"tags.path = 'C:\\data\\it\'s'", True),
        (r"tags.path like '%\\data%'", True),
        (r"tags.path like 'C:\%'", False),
        (r"tags.share like '50\%'", True),
        (r"tags.share like '5\%'", False),
        ('tags.path = "C:\\\\data\\\\it\'s"', True),
        # whole numbers beyond the 16 digits of a float
        ("params.seed = 12345678901234567", True),
        ("params.seed = 12345678901234568", False),
        ("params.seed > 12345678901234566", True),
        ("params.seed in (12345678901234566, 12345678901234568)", False),
        ("tags.seed = 12345678901234567", True),
        ("tags.seed < 12345678901234567", False),
        # times, also where a calendar ends
        ("started_at in ('2026-03-02T10:30+01:00', '2026-03-03')", True),
        ("started_at not in ('2026-03-02')", True),
        ("started_at > '0001-01-01T00:00+05:00'", True),
        ("started_at < '9999-12-31T23:59-05:00'", True),
        ("started_at > '0300-01-01'", True),
        # `and` binds closer than `or`
        ("name = 'nightly' or name = 'x' and name = 'y'", True),
        ("(name = 'nightly' or name = 'x') and name = 'y'", False),
    ],
)  # fmt: skip
def test_an_expression_means_what_it_says(expression: str, matches: bool | None) -> None:
    if matches is None:
        with pytest.raises(ExpressionError):
            parse(expression)
    else:
        assert parse(expression)(RUN) is matches


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        pytest.param("", "expected a field such as metrics.mae instead of the end, at character 1", id="empty"),
        pytest.param("metrics.mae <", "expected a number instead of the end, at character 14", id="torn off"),
        pytest.param("metrics.mae < 'low'", "expected a number instead of 'low', at character 15", id="text"),
        pytest.param(
            "metrics.mae 0.2", "expected =, !=, <, <=, >, >=, `in`, `like`, `ilike` or `is`", id="no operator"
        ),
        pytest.param("metric.mae = 1 metric.b = 2", "expected `and`, `or` or the end instead of metric.b", id="two"),
        pytest.param("(metrics.mae = 1", "expected ) instead of the end", id="open bracket"),
        pytest.param("params.model = spread", "instead of spread; put text in quotes", id="bare word"),
        pytest.param("params.model = 'spread", "this text has no closing quote, at character 16", id="open quote"),
        pytest.param("statuss = 'failed'", "there is no field statuss: did you mean status?", id="attribute"),
        pytest.param("metricz.mae = 1", "did you mean metrics.mae?", id="section"),
        pytest.param("a.b.c; drop", "';' is not expected here", id="other language"),
        pytest.param("__import__('os')", "there is no field __import__", id="code"),
        pytest.param("started_at > 'soon'", "expected a time such as '2026-03-01' instead of 'soon'", id="time"),
        pytest.param("started_at in ('2026-03-01', 'soon')", "expected a time such as '2026-03-01'", id="times"),
        pytest.param("started_at > 20260301", "expected a time such as '2026-03-01'", id="number as a time"),
        pytest.param("status = 'bogus'", "write one of running, finished, failed, stopped, lost", id="status"),
        pytest.param("status = 3", "expected a status instead of 3: write one of running, finished", id="no status"),
        pytest.param("status = finished", "failed, stopped, lost, in quotes, at", id="status without quotes"),
        pytest.param("status in ('failed', true)", "expected a status instead of true", id="truth as a status"),
        pytest.param("status < 'failed'", "statuses have no order", id="order of statuses"),
        pytest.param("status like 'x%'", "no status is like 'x%': the statuses are running, fin", id="like no status"),
        pytest.param("status like 3", "instead of 3; the statuses are running, finished", id="pattern of statuses"),
        pytest.param("metrics.mae like '1%'", "`like` compares text, and metrics.mae is not", id="like a number"),
        pytest.param("duration_seconds ilike '6_'", "`ilike` compares text, and duration", id="ilike a number"),
        pytest.param("diverged = 3", "expected true or false instead of 3", id="truth"),
        pytest.param("start_time > 20260301", "is in 1970 to 1973 as milliseconds", id="date as milliseconds"),
        pytest.param("start_time > 1e300", "are beyond the calendar", id="beyond the calendar"),
        pytest.param("end_time > 'soon'", "such as '2026-03-01' or milliseconds since 1970", id="time of MLflow"),
        pytest.param("metrics.mae < \u0661\u0662", "'\u0661' is not expected here", id="Arabic digits"),
        pytest.param("metrics.mae < 1_000", "'1' is not expected here", id="underscore in a number"),
        pytest.param("attributes.start_tim > 0", "did you mean start_time?", id="attribute of MLflow"),
        pytest.param("attributes.mae > 0", "the fields are run_id, name, status", id="metric as an attribute"),
        pytest.param("dataset.digest = 'x'", "data.NAME = 'HASH'", id="dataset of MLflow"),
        pytest.param("metrics = 1", "did you mean metrics.NAME?", id="section alone"),
        pytest.param("name like 3", "expected text in quotes after `like`", id="pattern"),
        pytest.param("params.a < true", "can be compared only with = and !=", id="order of truth"),
        pytest.param("name not = 'a'", "expected `in`, `like` or `ilike` after name", id="not equal"),
        pytest.param("name is 'a'", "expected `null` instead of 'a'", id="is"),
        pytest.param("name in ('a'", "expected ) instead of the end", id="open list"),
        pytest.param('metrics."test mae = 1', "name in quotes follows a section", id="open name"),
        pytest.param('metrics."" = 1', "name in quotes follows a section, such as metrics", id="empty name"),
        pytest.param('metrics.a."b" = 1', "name in quotes follows a section, such as metrics", id="half in quotes"),
        pytest.param('metricz."test mae" = 1', 'did you mean metrics."test mae"?', id="section before quotes"),
        pytest.param(
            'metrics."test mae" 1',
            'expected =, !=, <, <=, >, >=, `in`, `like`, `ilike` or `is` after metrics."te',
            id="q",
        ),
        pytest.param("name in ()", "expected a number or text in quotes instead of )", id="empty list"),
        pytest.param("(" * 60 + "name = 'a'" + ")" * 60, "nested more than 50 deep", id="deep"),
        pytest.param("not " * 5000 + "name = 'a'", "at most 10,000 are read, at character 10001: …", id="long"),
        pytest.param("and = 1", "expected a field such as metrics.mae instead of and", id="keyword"),
    ],
)
def test_a_wrong_expression_is_refused_with_the_place_and_what_is_expected(expression: str, says: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        parse(expression)
    assert says in str(refusal.value)
    assert f"at character {refusal.value.position + 1}: " in str(refusal.value)
    assert "▸" in str(refusal.value)


@pytest.mark.parametrize(
    "typed", ["status", "statuss", "stat", "a.b", "attributes.x", "metrcs.x", "parms.`x y`", "créé"]
)
def test_a_hint_names_a_field_that_exists(typed: str) -> None:
    hint = nearest_field(typed)
    if hint.startswith("did you mean "):
        assert field_named(hint.removeprefix("did you mean ").removesuffix("?")) is not None
    else:
        assert hint.startswith("the fields are run_id, ")


def test_many_negations_do_not_recurse_deeply() -> None:
    assert parse("not " * 2000 + "name = 'nightly'")(RUN)


FIELDS = st.sampled_from(
    [
        "metrics.mae",
        "start_time",
        "status",
        "params.seed",
        "tags.`x y`",
        "tags.path",
        "tags.x",
        "started_at",
        "ended_at",
    ]
)
NUMBERS = st.one_of(st.integers(), st.integers(10**300, 10**4000), st.floats(allow_nan=False, allow_infinity=False))
QUOTED = st.text(max_size=8).map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
TIMES = st.datetimes(timezones=st.timezones() | st.none()).map(lambda at: f"'{at.isoformat()}'")
VALUES = st.one_of(NUMBERS.map(str), QUOTED, TIMES, st.just("true"))
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, FIELDS, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), VALUES),
    st.builds("{} {} ({}, {})".format, FIELDS, st.sampled_from(["in", "not in"]), VALUES, VALUES),
    st.builds("{} {} {}".format, FIELDS, st.sampled_from(["like", "not ilike"]), QUOTED),
)
EXPRESSIONS = st.recursive(
    COMPARISONS, lambda inner: st.builds("{} {} ({})".format, inner, st.sampled_from(["and", "or", "and not"]), inner)
)
LETTERS = st.text(alphabet="metrics.a <>=!'\"()`%andornotlikeisull,0123456789e-+\\ \n", max_size=60)


@pytest.mark.fuzz
@given(st.one_of(LETTERS, st.text(max_size=60), EXPRESSIONS))
@example("started_at > '0001-01-01T00:00+05:00'")
@example("params.seed = " + "9" * 11_000)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        parse(text)(RUN)
    except ExpressionError as error:
        place, said = error.position, str(error)
    else:
        place, said = 0, "at character 1: "
    assert 0 <= place <= len(text)
    assert f"at character {place + 1}: " in said
