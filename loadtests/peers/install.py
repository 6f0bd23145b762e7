"""Install the peers below ``.peers``: ``make bench-peers``, or some: ARGS='flink redis'.

A peer with a ``requirements-<name>.txt`` gets a Python environment, one with a ``<name>/pom.xml``
is built by Maven with its jars. What is up to date is left alone: a digest of those files says so.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from loadtests.peers.peer import ENVIRONMENTS, MISSING

_HOME = Path(__file__).parent
_TIMEOUT_S = 1800.0


def main(names: list[str]) -> int:
    """Install the named peers, or all; go on where one fails."""
    python = {each.stem.removeprefix("requirements-") for each in _HOME.glob("requirements-*.txt")}
    maven = {each.parent.name for each in _HOME.glob("*/pom.xml")}
    unknown = sorted(set(names) - python - maven)
    if unknown:
        print(f"error: no such peer: {', '.join(unknown)}", file=sys.stderr)
        return 2
    failed = []
    for name in sorted(set(names) or python | maven):
        try:
            _install(name, _python if name in python else _maven)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            failed.append(name)
    return MISSING if failed else 0


def _install(name: str, build: Callable[[str], None]) -> None:
    inputs = [_HOME / f"requirements-{name}.txt", *sorted((_HOME / name).rglob("*"))]
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in inputs if each.is_file()))
    stamp = ENVIRONMENTS / name / ".installed"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        print(f"{name}: up to date")
        return
    print(f"{name}: installing")
    shutil.rmtree(ENVIRONMENTS / name, ignore_errors=True)
    build(name)
    stamp.write_text(digest.hexdigest())


def _python(name: str) -> None:
    directory = ENVIRONMENTS / name
    venv.create(directory, with_pip=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "-q", "-r", str(_HOME / f"requirements-{name}.txt")])


def _maven(name: str) -> None:
    program = shutil.which("mvn")
    if program is None:
        raise FileNotFoundError("Maven is not installed: apt install maven, and a JDK 17")
    pom = str(_HOME / name / "pom.xml")
    _run([program, "-q", "-B", "-f", pom, "package", "dependency:copy-dependencies"])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=_TIMEOUT_S)  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
