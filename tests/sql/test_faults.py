"""All errors of a file, and what is said where there are more of them than are shown."""

import pytest

from keyfold.errors import SqlError
from keyfold.sql.faults import ERRORS_MAX, statement_errors
from keyfold.sql.location import SqlText


def compile_text(text: str) -> None:
    """Refuse the first statement that says WRONG."""
    at = text.find("WRONG")
    if at >= 0:
        place = SqlText(text, "many.sql").at(at, len("WRONG"))
        raise SqlError("wrong", hint="mend it", location=place)


@pytest.mark.parametrize("wrong", [1, ERRORS_MAX, ERRORS_MAX + 1, 2 * ERRORS_MAX])
def test_it_is_said_that_there_are_more_errors_than_are_shown(wrong: int) -> None:
    text = "\n".join(f"CREATE VIEW v{i} AS WRONG;" for i in range(wrong))
    with pytest.raises(SqlError) as first:
        compile_text(text)
    errors = statement_errors(text, "many.sql", first.value, compile_text)
    places = [error.location.line for error in errors if error.location is not None]
    assert places == list(range(1, min(wrong, ERRORS_MAX) + 1))
    assert len(errors) == len(places) + (wrong > ERRORS_MAX)
    if wrong > ERRORS_MAX:
        assert errors[-1].message == "… and more; these are the first 100"
        assert errors[-1].hint == "mend these, and check the file again"
