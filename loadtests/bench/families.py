"""What each family of aggregates and each kind of window costs: rates over that of ``COUNT(*)``.

One view over an event log each time, all other things equal. Where an answer is a double it is
rounded to far fewer digits than it is right to, so that tables can be compared as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from loadtests.bench.engines import Run, keyfold
from loadtests.bench.events import SOURCE, VIEW, Stream
from loadtests.bench.figure import Figure, figure
from loadtests.bench.ingest import costs, filled_log, rates, rounds
from loadtests.bench.repeat import ratios

REPEATS = 3
_EVENTS, _SMOKE_EVENTS = 1_000_000, 20_000
_TIME = "make_timestamp_ms(ts)"
_STEP, _SIZE, _STEPS = "INTERVAL '2' SECOND", "INTERVAL '10' SECOND", 5


@dataclass(frozen=True, slots=True)
class Question:
    """A stream, and one question over it. Implements ``Workload``.

    Attributes:
        stream: The events.
        family: Names the question.
        select: Keyfold's SELECT.
        batch: See ``Workload.batch``.
    """

    stream: Stream
    family: str
    select: str
    batch: str

    @property
    def events(self) -> int:
        """See ``Workload.events``."""
        return self.stream.events

    @property
    def name(self) -> str:
        """See ``Workload.name``; a question that changes has another answer."""
        return f"{self.stream.name}-{self.family}"

    @property
    def source(self) -> str:
        """See ``Workload.source``."""
        return SOURCE

    @property
    def view(self) -> str:
        """See ``Workload.view``."""
        return VIEW

    @property
    def shape(self) -> Mapping[str, str]:
        """See ``Workload.shape``."""
        return {**self.stream.shape, "order_id": "BIGINT"}

    @property
    def pipeline(self) -> str:
        """Keyfold's SQL file."""
        return (
            f"CREATE SOURCE {SOURCE} (order_id BIGINT, user_id VARCHAR, amount BIGINT, "
            "ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events') "
            f"FORMAT PLAIN ENCODE JSON;\nCREATE MATERIALIZED VIEW {VIEW} AS {self.select};\n"
        )

    def values(self) -> Iterator[pa.Array]:
        """See ``Workload.values``."""
        return self.stream.values()


# Family → (Keyfold's expression, DuckDB's for the same).
_FAMILIES = {
    "count": ("COUNT(*)", "count(*)"),
    "sum of whole numbers": ("SUM(amount)", "sum(amount)"),
    "sum of doubles": ("SUM(amount * 0.25::DOUBLE)", "sum(amount * 0.25::DOUBLE)"),
    "extreme": ("MAX(amount)", "max(amount)"),
    "bits": ("bit_xor(amount)", "bit_xor(amount)"),
    "variance": ("round(var_pop(amount) / 1e6, 1)", "round(var_pop(amount) / 1e6, 1)"),
    "pairs": ("round(corr(amount, order_id), 3)", "round(corr(amount, order_id), 3)"),
    "pick": ("last_value(amount ORDER BY order_id)", "arg_max(amount, order_id)"),
    "list": (
        "array_agg(amount ORDER BY order_id DESC LIMIT 3)",
        "list_slice(list(amount ORDER BY order_id DESC), 1, 3)",
    ),
    "tally": (
        "array_agg(DISTINCT amount // 10000 LIMIT 20)",
        "list_sort(list(DISTINCT amount // 10000))",
    ),
    "different values": ("COUNT(DISTINCT amount // 100)", "count(DISTINCT amount // 100)"),
    # Sketches are exact over so few values, so that they can be held to DuckDB.
    "sketch of different values": (
        "approx_count_distinct(amount // 10000)",
        "count(DISTINCT amount // 10000)",
    ),
    "sketch of quantiles": ("approx_quantile(amount, 1.0)", "max(amount)"),
}


def _first_rows(where: str) -> str:
    """The rows of a user with the greatest amounts, in both engines."""
    order = "ORDER BY amount DESC, order_id"
    numbered = f"SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id {order}) AS rn FROM {SOURCE}"
    return f"SELECT user_id, {{}}amount AS answer FROM ({numbered}) WHERE {where}"


_WHOLE = {
    "first row": _first_rows("rn = 1").format(""),
    "first three rows": _first_rows("rn <= 3").format("rn, "),
}


def families(smoke: bool) -> list[Figure]:
    """A view of each family of aggregates over 50,000 users, against ``COUNT(*)``."""
    stream = Stream(_SMOKE_EVENTS if smoke else _EVENTS, 1_000 if smoke else 50_000)
    by_user = f"FROM {SOURCE} GROUP BY user_id"
    questions = [
        Question(
            stream,
            family.replace(" ", "-"),
            f"SELECT user_id, {ours} AS answer {by_user}",
            f"SELECT user_id, {theirs} AS answer {by_user}",
        )
        for family, (ours, theirs) in _FAMILIES.items()
    ]
    questions += [
        Question(stream, title.replace(" ", "-"), select, select)
        for title, select in _WHOLE.items()
    ]
    return _compared("the family", [*_FAMILIES, *_WHOLE], questions, smoke)


# Kind → (Keyfold's FROM, where DuckDB's windows of an event start and end).
_WINDOWS = {
    "no window": (SOURCE, "", ""),
    "TUMBLE": (f"TUMBLE({SOURCE}, ts, {_SIZE})", f"time_bucket({_SIZE}, {_TIME})", "start"),
    "HOP of five": (
        f"HOP({SOURCE}, ts, {_STEP}, {_SIZE})",
        f"time_bucket({_STEP}, {_TIME}) - unnest(range({_STEPS})) * {_STEP}",
        "start",
    ),
    "CUMULATE of five": (
        f"CUMULATE({SOURCE}, ts, {_STEP}, {_SIZE})",
        f"unnest([s for s in [time_bucket({_SIZE}, {_TIME}) + n * {_STEP} "
        f"for n in range(1, {_STEPS + 1})] if s > {_TIME}])",
        "end",
    ),
}
_GAP_MS = 200
_SESSIONS = (
    f"SELECT user_id, window_start, COUNT(*) AS answer "
    f"FROM SESSION({SOURCE} PARTITION BY user_id, ts, INTERVAL '{_GAP_MS / 1000}' SECOND) "
    "GROUP BY user_id, window_start",
    f"SELECT user_id, min({_TIME}) AS window_start, count(*) AS answer FROM ("
    "SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY user_id ORDER BY ts) AS session "
    f"FROM (SELECT *, coalesce(ts > lag(ts) OVER by_user + {_GAP_MS}, true) AS begins "
    f"FROM {SOURCE} WINDOW by_user AS (PARTITION BY user_id ORDER BY ts))) "
    "GROUP BY user_id, session",
)


def windows(smoke: bool) -> list[Figure]:
    """A view of each kind of window over 1,000 users, against one without."""
    stream = Stream(_SMOKE_EVENTS if smoke else _EVENTS, 1_000)
    questions = []
    for kind, (ours, window, side) in _WINDOWS.items():
        key = f"user_id, window_{side}" if window else "user_id"
        theirs = f"SELECT user_id, {window} AS window_{side}" if window else "SELECT user_id"
        questions.append(
            Question(
                stream,
                kind.replace(" ", "-"),
                f"SELECT {key}, COUNT(*) AS answer FROM {ours} GROUP BY {key}",
                f"SELECT {key}, count(*) AS answer FROM ({theirs} FROM {SOURCE}) GROUP BY {key}",
            )
        )
    questions.append(Question(stream, "SESSION", *_SESSIONS))
    return _compared("the window", [*_WINDOWS, "SESSION"], questions, smoke)


def _compared(
    what: str, titles: Sequence[str], questions: Sequence[Question], smoke: bool
) -> list[Figure]:
    """Return the rate of every question over that of the first."""
    data = filled_log(questions[0].stream)
    cpus = sorted(os.sched_getaffinity(0))

    def run(question: Question) -> Callable[[], Run]:
        return lambda: keyfold(question.pipeline, question, cpus, data)

    engines = {title: run(one) for title, one in zip(titles, questions, strict=True)}
    runs, _ = rounds(engines, 1 if smoke else REPEATS)
    base = runs[titles[0]]
    figures = []
    for title in titles[1:]:
        pairs = [
            (one.events_per_second, other.events_per_second)
            for one, other in zip(runs[title], base, strict=True)
        ]
        detail: dict[str, object] = {titles[0]: rates(base), title: rates(runs[title])}
        detail |= {"events": questions[0].events} | costs(runs[title])
        figures.append(figure(f"{what} {title} over {titles[0]}", ratios(pairs), "x", detail))
    return figures


ALL: tuple[Callable[[bool], list[Figure]], ...] = (families, windows)
