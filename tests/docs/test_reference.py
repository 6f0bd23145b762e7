"""The documents name everything that there is, and nothing in them leads nowhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from keyfold import errors
from keyfold.cli.client import ServerError
from keyfold.cli.commands import app as commands
from keyfold.demo.replay import DemoError
from keyfold.metrics import METRICS
from keyfold.settings import Settings
from serving.problem import PROBLEMS
from serving.routes import build
from tests.docs.reference import facts
from tests.docs.running import ROOT

DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("loadtests/*.md")]
    if path.is_file()
)
OPERATING = (ROOT / "docs" / "operating.md").read_text()
REST = (ROOT / "docs" / "rest.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_has_its_heading_default_and_bounds(name: str) -> None:
    assert f"\n### {name}\n\n{facts(name)}\n" in OPERATING, f"write: {facts(name)}"


def test_no_setting_is_told_of_that_is_none() -> None:
    told = set(re.findall(r"^### (\w+)$", OPERATING, re.MULTILINE))
    assert told == set(Settings.model_fields)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_its_row_with_its_kind_and_labels(metric) -> None:
    labels = "; " + ", ".join(f"`{label}`" for label in metric.labels) if metric.labels else ""
    assert f"\n| `{metric.name}` | {metric.kind}{labels} | " in OPERATING


def _codes() -> dict[str, int | None]:
    """Every error code → its HTTP status, None where no answer has it."""
    found: dict[str, int | None] = {}

    def add(kind: type[errors.KeyfoldError]) -> None:
        found[kind.code] = None
        for below in kind.__subclasses__():
            add(below)

    add(errors.KeyfoldError)
    assert {ServerError.code, DemoError.code, "no_problem"} - {"no_problem"} <= found.keys()
    found["no_problem"] = None
    return found | {code: status for code, (status, _) in PROBLEMS.items()}


@pytest.mark.parametrize(("code", "status"), _codes().items())
def test_an_error_code_has_its_row_with_its_status(code: str, status: int | None) -> None:
    assert f"\n| `{code}` | {status or '-'} | " in OPERATING


def _routes() -> Iterator[str]:
    document = build(_NoWorker(), _NoWorker(), _NoWorker()).openapi()  # type: ignore[arg-type]
    for path, methods in document["paths"].items():
        yield from (f"{method.upper()} {path}" for method in methods)
    yield from ("GET /openapi.json", "GET /docs")


class _NoWorker:
    """Building the application asks a worker for what its routes will need, and nothing more."""

    def __getattr__(self, name: str) -> "_NoWorker":
        return self


@pytest.mark.parametrize("route", sorted(_routes()))
def test_a_route_stands_in_the_document_of_rest(route: str) -> None:
    assert f"`{route}`" in REST


def test_no_route_is_told_of_that_is_none() -> None:
    told = set(re.findall(r"^## ((?:GET|POST) /\S+)$", REST, re.MULTILINE))
    assert told <= set(_routes())


def _commands(app: typer.Typer, before: str = "keyfold") -> Iterator[str]:
    for command in app.registered_commands:
        assert command.callback is not None
        yield f"{before} {command.name or command.callback.__name__.replace('_', '-')}"
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from _commands(group.typer_instance, f"{before} {group.name}")


@pytest.mark.parametrize("command", sorted({*_commands(commands), "keyfold lake"}))
def test_a_command_stands_in_the_document_of_operating(command: str) -> None:
    assert re.search(rf"^\| `{command}[ `]", OPERATING, re.MULTILINE)


def test_each_law_names_its_test_and_the_test_is_there() -> None:
    named = re.findall(r"^   Test: `(test_law_(\d)_\w+\.py)`\.$", ARCHITECTURE, re.MULTILINE)
    assert [int(number) for _, number in named] == list(range(1, 9))
    there = {path.name for path in (ROOT / "tests" / "laws").glob("test_law_*.py")}
    assert {name for name, _ in named} == there


def _anchors(text: str) -> set[str]:
    """The anchors that headings get, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        .replace(" ", "-")
        for heading in headings
    }  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_somewhere(document: Path) -> None:
    text = document.read_text()
    for link in _LINK.findall(_FENCE.sub("", text)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} leads to nothing"
        if anchor:
            assert anchor in _anchors(target.read_text()), f"{link} has no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_has_no_fence_left_open(document: Path) -> None:
    assert document.read_text().count("\n```") % 2 == 0


def test_every_page_of_the_docs_is_reached_from_another() -> None:
    linked = {
        (document.parent / link.partition("#")[0]).resolve()
        for document in DOCUMENTS
        for link in _LINK.findall(document.read_text())
        if "://" not in link and not link.startswith("#")
    }
    pages = {path.resolve() for path in DOCUMENTS if path.parent != ROOT}
    assert pages <= linked


def _texts() -> Iterator[str]:
    """Every string in our code, with … for what is filled in."""
    for house in ("keyfold", "ingest", "serving", "lake"):
        for file in (ROOT / house).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                match node:
                    case ast.JoinedStr(values=values):
                        yield "".join(
                            str(part.value) if isinstance(part, ast.Constant) else "…"
                            for part in values
                        )
                    case ast.Constant(value=str(text)):
                        yield text


def test_a_message_in_troubleshooting_is_one_that_is_said() -> None:
    table = OPERATING.split("\n## Troubleshooting\n")[1]
    said = "\n".join(_texts()).replace("%s", "…").replace("'…'", "…")
    for first in re.findall(r"^\| (`.*?) \| ", table, re.M):
        for message in re.findall(r"`([^`]+)`", first):
            for part in filter(None, (part.strip(" ,") for part in message.split("…"))):
                assert part in said, f"nobody says {part!r}"
