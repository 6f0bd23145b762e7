"""Every command explains itself, with an example that starts with its name."""

from __future__ import annotations

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from keyfold.cli.commands import app


def commands() -> list[list[str]]:
    found = []
    for name, command in get_command(app).commands.items():
        found.append([name])
        found += [[name, inner] for inner in getattr(command, "commands", {})]
    return sorted(found)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_help_of_every_command_shows_an_example_and_its_exit_codes(words: list[str]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"keyfold {' '.join(words)}" in shown.output
    if words not in (["version"], ["sources"]):
        assert "Exit codes" in shown.output


@pytest.mark.parametrize("words", [["-h"], ["run", "-h"], ["lake", "drop", "-h"]], ids=" ".join)
def test_h_is_help(words: list[str]) -> None:
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0
    assert "Usage: " in shown.output


def test_the_version_is_a_flag_too() -> None:
    flag, command = (CliRunner().invoke(app, [word]) for word in ("--version", "version"))
    assert (flag.exit_code, flag.output) == (0, command.output)
    assert flag.output.startswith("keyfold ")


def test_there_are_the_commands_that_the_readme_names() -> None:
    named = "run ingest serve lake check explain push get dead-letters demo version sources".split()
    assert {words[0] for words in commands()} == set(named)
