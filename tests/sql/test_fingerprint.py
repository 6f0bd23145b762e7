"""The fingerprint changes exactly when the content of the state does."""

import msgspec
import pytest

from keyfold.sql.compile import compile_sql
from keyfold.state.memory import MemoryStore
from keyfold.state.writer import StateWriter
from tests.sql.compiling import SOURCE, catalog_of, plan_of

VIEW = (
    "SELECT user_id, SUM(amount) AS total, COUNT(*) AS n, MAX(qty) AS m FROM orders "
    "WHERE qty > 1 GROUP BY user_id"
)
WINDOWED = (
    "SELECT window_start, COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) "
    "GROUP BY window_start"
)
NUMBERED = (
    "SELECT user_id, amount, upper(note) AS loud FROM (SELECT *, doc->>'n' AS note, ROW_NUMBER() "
    "OVER (PARTITION BY user_id ORDER BY ts DESC, qty) AS rn FROM orders WHERE qty > 1) "
    "WHERE rn = 1"
)

SAME = {
    "a comment": VIEW.replace("FROM", "-- all of them\n FROM /* yes */"),
    "white space": VIEW.replace(" ", "\n\t "),
    "the case of words": VIEW.replace("SUM", "sum").replace("user_id", "USER_ID"),
    "an alias of the source": VIEW.replace("orders", "orders AS o").replace("qty", "o.qty"),
    "names of outputs": VIEW.replace("total", "spent").replace("user_id,", "user_id AS who,"),
    "the order of SELECT": (
        "SELECT MAX(qty) AS m, COUNT(*) AS n, user_id, SUM(amount) AS total FROM orders "
        "WHERE qty > 1 GROUP BY user_id"
    ),
    "the key by its ordinal": VIEW.replace("BY user_id", "BY 1"),
    "an output over the same partials": VIEW.replace("AS total", "/ COUNT(*) AS mean"),
    "AVG beside SUM": VIEW.replace("AS total", "AS total, AVG(amount) AS mean"),
    "HAVING over what is kept": VIEW + " HAVING COUNT(*) > 5",
    "parentheses": VIEW.replace("SUM(amount)", "(SUM(amount))"),
    "a subquery with the same names and condition": (
        "SELECT u, SUM(a) AS total, COUNT(*) AS n, MAX(qty) AS m FROM "
        "(SELECT user_id AS u, amount AS a, qty FROM orders WHERE qty > 1) GROUP BY u"
    ),
    "a CTE of everything": "WITH o AS (SELECT * FROM orders) " + VIEW.replace("orders", "o"),
    "spelling of an operator": VIEW.replace("MAX(qty)", "max( qty )"),
}
OTHER = {
    "another key": VIEW.replace("user_id", "day"),
    "a key more": VIEW.replace("SELECT", "SELECT day,").replace("BY user_id", "BY user_id, day"),
    "the order of keys": VIEW.replace("SELECT", "SELECT day,").replace("BY", "BY day,"),
    "a computed key": VIEW.replace("user_id", "lower(user_id)", 1)
    .replace("BY user_id", "BY 1")
    .replace("lower(user_id),", "lower(user_id) AS u,"),
    "one partial more": VIEW.replace("AS n,", "AS n, MIN(qty) AS least,"),
    "one partial less": VIEW.replace(", MAX(qty) AS m", ""),
    "HAVING over a partial more": VIEW + " HAVING MIN(price) > 5",
    "another argument": VIEW.replace("SUM(amount)", "SUM(amount + 1)"),
    "a FILTER": VIEW.replace("COUNT(*)", "COUNT(*) FILTER (WHERE paid)"),
    "another condition": VIEW.replace("qty > 1", "qty > 2"),
    "no condition": VIEW.replace("WHERE qty > 1 ", ""),
    "a condition of a subquery": VIEW.replace("orders", "(SELECT * FROM orders WHERE paid)"),
    "a computed column of a CTE": (
        "WITH o AS (SELECT * REPLACE (qty + 1 AS qty) FROM orders) " + VIEW.replace("orders", "o")
    ),
}


@pytest.mark.parametrize("change", SAME)
def test_a_change_that_leaves_the_state_alone_keeps_the_fingerprint(change: str) -> None:
    before, after = plan_of(VIEW), plan_of(SAME[change])
    assert after.fingerprint == before.fingerprint
    assert after.slots == before.slots
    assert after.key_types == before.key_types
    assert after.batch_sql == before.batch_sql


@pytest.mark.parametrize("change", OTHER)
def test_a_change_of_the_state_changes_the_fingerprint(change: str) -> None:
    assert plan_of(OTHER[change]).fingerprint != plan_of(VIEW).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        WINDOWED.replace("'1' MINUTE", "'2' MINUTE"),
        WINDOWED.replace("MINUTE)", "MINUTE, INTERVAL '5' SECOND)"),
        WINDOWED.replace(" ts,", " local,"),
        WINDOWED.replace("window_start", "window_end"),
    ],
)
def test_another_window_changes_the_fingerprint(changed: str) -> None:
    assert plan_of(changed).fingerprint != plan_of(WINDOWED).fingerprint


def test_retention_decides_the_state_by_being_there() -> None:
    week, month = (plan_of(WINDOWED, f"WITH (retention = '{d} days')") for d in (7, 30))
    assert week.fingerprint == month.fingerprint
    assert week.fingerprint != plan_of(WINDOWED).fingerprint


VISITS = (
    "SELECT user_id, window_start, window_end, COUNT(*) AS n "
    "FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '1' MINUTE) "
    "GROUP BY user_id, window_start, window_end"
)


def test_retention_decides_which_events_make_sessions() -> None:
    week, month = (plan_of(VISITS, f"WITH (retention = '{d} days')") for d in (7, 30))
    assert len({week.fingerprint, month.fingerprint, plan_of(VISITS).fingerprint}) == 3


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("BY user_id, window_start, window_end", "BY window_end, window_start, user_id", True),
        ("window_end, COUNT", "COUNT", True),
        ("SESSION(orders PARTITION", "SESSION(TABLE orders PARTITION", True),
        (
            "(orders PARTITION BY user_id, ts",
            "(orders PARTITION BY (user_id), DESCRIPTOR(ts)",
            True,
        ),
        ("'1' MINUTE", "'2' MINUTE", False),
        ("user_id", "day", False),
    ],
)
def test_the_same_sessions_have_the_same_fingerprint(old: str, new: str, same: bool) -> None:
    changed = VISITS.replace(old, new)
    if "window_end, COUNT" in old:
        changed = changed.replace(", window_end", "")
    assert changed != VISITS
    assert (plan_of(changed).fingerprint == plan_of(VISITS).fingerprint) is same


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (NUMBERED.replace("amount, upper(note) AS loud", "upper(note) AS l, amount AS a"), True),
        (NUMBERED.replace("= 1", "<= 1"), True),
        (NUMBERED.replace("ts DESC, qty", "ts DESC NULLS LAST, (qty) ASC"), True),
        (NUMBERED.replace("amount,", "amount, rn AS place, amount AS again,"), True),
        (NUMBERED.replace("amount,", "amount, price,"), False),
        (NUMBERED.replace("ts DESC", "ts"), False),
        (NUMBERED.replace("ts DESC", "ts DESC NULLS FIRST"), False),
        (NUMBERED.replace("ts DESC, qty", "qty, ts DESC"), False),
        (
            NUMBERED.replace("BY user_id", "BY lower(user_id)").replace(
                "user_id,", "lower(user_id) AS u,", 1
            ),
            False,
        ),
        (NUMBERED.replace("qty > 1", "qty > 2"), False),
        (NUMBERED.replace("amount,", "amount, rn,").replace("rn = 1", "rn <= 2"), False),
    ],
)
def test_a_row_that_is_kept_is_known_by_its_order_and_columns(change: str, same: bool) -> None:
    assert (plan_of(change).fingerprint == plan_of(NUMBERED).fingerprint) == same


def test_freshness_slo_is_no_part_of_the_state() -> None:
    quick = plan_of(VIEW, "WITH (freshness_slo = '200 ms')")
    assert quick.fingerprint == plan_of(VIEW).fingerprint
    assert quick.freshness_slo_ms == 200


def test_list_limit_is_the_limit_of_lists_that_have_none() -> None:
    lists = "SELECT qty, string_agg(user_id, '{}'{}) AS s, MAX(big) AS m FROM orders GROUP BY qty"
    bounded = plan_of(lists.format(",", " LIMIT 7"))
    assert plan_of(lists.format(";", ""), "WITH (list_limit = 7)").aggregates == bounded.aggregates
    assert plan_of(lists.format(",", "")).fingerprint != bounded.fingerprint
    by_default = plan_of(lists.format(",", " LIMIT 100"))
    assert plan_of(lists.format(", ", "")).fingerprint == by_default.fingerprint


@pytest.mark.parametrize("change", SAME)
def test_a_state_is_adopted_under_another_output(change: str) -> None:
    store = MemoryStore()
    StateWriter(store, catalog_of(VIEW))
    StateWriter(store, catalog_of(SAME[change]))


def source_fingerprint(text: str) -> str:
    return compile_sql(text).sources[0].fingerprint


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("localhost:9092", "broker:9092", True),
        ("CREATE SOURCE", "-- the orders\nCREATE  SOURCE IF NOT EXISTS", True),
        ("order_id BIGINT", "order_id INT8", True),
        ("topic = 'orders'", "topic = 'orders', scan.startup.mode = 'latest'", True),
        ("topic = 'orders'", "topic = 'other'", False),
        ("order_id BIGINT", "order_id INTEGER", False),
        ("order_id BIGINT", "order_no BIGINT", False),
        ("INCLUDE offset AS o", "", False),
        ("topic = 'orders'", "topic = 'orders', timestamp.unit = 'ms'", False),
    ],
)
def test_a_source_is_the_same_while_it_reads_the_same_log(old: str, new: str, same: bool) -> None:
    assert old in SOURCE
    changed = source_fingerprint(SOURCE.replace(old, new))
    assert (changed == source_fingerprint(SOURCE)) is same


def test_a_plain_view_is_part_of_the_views_that_read_it() -> None:
    def fingerprints(plain: str) -> list[str]:
        text = (
            f"{SOURCE}CREATE VIEW p AS {plain};"
            "CREATE MATERIALIZED VIEW reads AS SELECT q, COUNT(*) AS n FROM p GROUP BY q;"
            "CREATE MATERIALIZED VIEW other AS SELECT qty, COUNT(*) AS n FROM orders GROUP BY qty;"
        )
        return [view.fingerprint for view in compile_sql(text).views]

    before = fingerprints("SELECT qty AS q FROM orders")
    assert fingerprints("SELECT orders.qty AS q, price FROM orders /* and more */") == before
    filtered = fingerprints("SELECT qty AS q FROM orders WHERE paid")
    computed = fingerprints("SELECT qty + 1 AS q FROM orders")
    assert before[1] == filtered[1] == computed[1]
    assert len({before[0], filtered[0], computed[0]}) == 3


def test_the_stored_form_of_partials_and_answers_does_not_change() -> None:
    plan = plan_of(VIEW)
    assert plan.fingerprint == "870ad26340d7513e"
    assert msgspec.json.encode(plan.aggregates) == (
        b'[{"family":"count","argument":"","argument_type":"","where":""},'
        b'{"family":"max","argument":"qty","argument_type":"INTEGER","where":""},'
        b'{"family":"sum_int","argument":"amount","argument_type":"DECIMAL(18,2)","where":""}]'
    )
    assert msgspec.json.encode(plan.answers[0]) == (
        b'{"aggregate":2,"final":{"function":"sum","type":"DECIMAL(38,2)"}}'
    )
