"""What every role process has: settings, log, stop signal, exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keyfold.process import ROLE_SETTINGS, role_environment
from keyfold.settings import Settings
from tests.cli.scene import until

ROLE = """
import logging, sys
from pathlib import Path
from keyfold.errors import *
from keyfold.process import *
def main():
    settings = start_role("stand-in")
    {body}
run_role(main)
"""


def run(
    directory: Path, body: str = "pass", **environment: str
) -> subprocess.CompletedProcess[str]:
    (directory / "role.py").write_text(ROLE.format(body=body))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOLD_")}
    return subprocess.run(
        [sys.executable, "role.py"],
        cwd=directory,
        env=plain | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("raise StateError('locked', hint='stop the other')", 2),
        ("raise SqlError('no')", 2),
        ("raise SettingsError('no')", 2),
        ("mark_started(); raise StateError('damaged')", 1),
        ("raise LakeError('no')", 1),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); stop_event().wait()", 0),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT); stop_event().wait()", 0),
    ],
)
def test_the_exit_code_tells_a_refusal_from_a_crash(tmp_path: Path, body: str, code: int) -> None:
    assert run(tmp_path, body).returncode == code


def test_a_log_line_is_json_with_time_level_role_logger_message_and_extras(tmp_path: Path) -> None:
    body = "logging.getLogger('a.b').warning('%d rows', 3, extra={'view': 'v', 'path': Path('p')})"
    line = json.loads(run(tmp_path, body).stderr)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "role": "stand-in",
        "logger": "a.b",
        "message": "3 rows",
        "view": "v",
        "path": "p",
    }


def test_an_error_is_logged_with_its_code_and_hint_and_a_bug_with_its_traceback(
    tmp_path: Path,
) -> None:
    refused = json.loads(run(tmp_path, "raise StateError('locked', hint='stop it')").stderr)
    assert (refused["message"], refused["code"]) == ("locked (hint: stop it)", "bad_state")
    assert "ZeroDivisionError" in json.loads(run(tmp_path, "1 / 0").stderr)["traceback"]


def test_the_log_for_people_is_one_line_without_json(tmp_path: Path) -> None:
    body = "logging.getLogger('a').info('hello', extra={'n': 1})"
    shown = run(tmp_path, body, KEYFOLD_LOG_FORMAT="human").stderr
    assert shown.endswith("INFO    stand-in  hello  n=1\n")
    assert run(tmp_path, body, KEYFOLD_LOG_LEVEL="error").stderr == ""


def test_a_supervised_role_takes_the_settings_that_it_is_given_and_no_others(
    tmp_path: Path,
) -> None:
    (tmp_path / "keyfold.toml").write_text('port = 1\nlake_catalog = { uri = "elsewhere" }')
    given = Settings.model_validate({"port": 4711, "lake_catalog": {"type": "sql"}})
    shown = run(
        tmp_path,
        "print(settings.port, settings.lake_catalog)",
        KEYFOLD_WORKERS="no number",
        **{ROLE_SETTINGS: role_environment(given)[ROLE_SETTINGS]},
    )
    assert (shown.stdout, shown.stderr) == ("4711 {'type': 'sql'}\n", "")


def test_a_role_by_hand_refuses_wrong_settings(tmp_path: Path) -> None:
    refused = run(tmp_path, KEYFOLD_PORT="high")
    assert refused.returncode == 2
    assert json.loads(refused.stderr)["code"] == "bad_settings"


def test_a_second_signal_does_not_break_a_stop_off(tmp_path: Path) -> None:
    body = "print('up', flush=True); stop_event().wait(); sys.stdin.read(); print('clean')"
    (tmp_path / "role.py").write_text(ROLE.format(body=body))
    process = subprocess.Popen(
        [sys.executable, "role.py"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    until(process.stdout.readline)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate("", timeout=20)
    assert (process.returncode, shown) == (0, "clean\n")
