"""The fixed limits in docs/operating.md are those of the code."""

import re

from ingest import detect, lane, memory
from ingest.source import file_columns, file_records, message
from keyfold.eventlog import lines
from keyfold.sql import calls, faults, grouping, subquery, window
from keyfold.view.family import best
from serving import deadletters, limits, lookup, many, push
from tests.docs.running import ROOT

LIMITS = [
    faults.ERRORS_MAX,
    subquery.EXPRESSION_CHARS_MAX,
    grouping.SETS_MAX,
    window.PANES_MAX,
    calls.BOUND_MAX,
    best.VALUES_MAX,
    lines.LINE_BYTES_MAX,
    file_records.RECORD_BYTES_MAX,
    file_records.QUOTED_BYTES_MAX,
    message.BATCH_BYTES_MAX,
    detect.SAMPLE_MESSAGES_MAX,
    file_columns.RECORDS_MAX,
    push.WAITING_MAX,
    push.WAITING_BYTES_MAX,
    limits.HEADER_BYTES_MAX,
    limits.GZIP_MEMBERS_MAX,
    limits.BODIES_BYTES_MAX,
    many.PANES_MAX,
    lookup.HIDDEN_ROWS_MAX,
    deadletters.PAGE_BYTES_MAX,
    lane.PARTITIONS_MAX,
    memory.KEPT_BYTES_MAX,
]


def test_the_table_of_fixed_limits_is_that_of_the_code() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    table = text.split("## Fixed limits", 1)[1].split("\n## ", 1)[0]
    told = re.findall(r"^\| [^|]+ \| ([0-9,]+)(?: bytes)? \|", table, re.MULTILINE)
    assert [int(number.replace(",", "")) for number in told] == LIMITS
