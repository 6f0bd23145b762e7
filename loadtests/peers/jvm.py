"""Running a peer that lives on the JVM: its jars are below .peers, built by Maven."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from loadtests.peers import peer


def run_java(
    name: str, main: str, options: Sequence[str], arguments: Sequence[str], timeout_s: float
) -> str:
    """Run a peer's main class to its end.

    Returns:
        The last line of its standard output.

    Raises:
        RuntimeError: It ended with another exit code than 0; with the end of its stderr.
    """
    directory = peer.ENVIRONMENTS / name
    java = shutil.which("java")
    if java is None:
        peer.missing("java is not installed: a JDK 17")
    if not (directory / "peer.jar").exists():
        peer.missing(f"the jars of '{name}' are not there: make bench-peers ARGS={name}")
    home = peer.REPOSITORY / "loadtests" / "peers"
    command = [
        java,
        *options,
        f"-Dlog4j.configuration={(home / 'log4j.properties').as_uri()}",
        "-cp",
        f"{directory / 'peer.jar'}{os.pathsep}{directory / 'dependency'}/*",
        main,
        *arguments,
    ]
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, timeout=timeout_s + 60, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-4000:]}")
    return done.stdout.strip().splitlines()[-1]
