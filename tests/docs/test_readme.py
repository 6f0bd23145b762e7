"""The README's examples, run as they stand: only addresses are replaced."""

import json
import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.running import ROOT, environment, running
from tests.ports import free_port

README = (ROOT / "README.md").read_text()
_FILE = re.compile(
    r"[Ss]ave this as `([\w.]+)`[^\n]*(?:\n[^\n]+)*?\n\n```\w+\n(.*?)^```", re.M | re.S
)
_BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```", re.M | re.S)
ANSWER_TIMEOUT_S = 60.0


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


class Example:
    """A section of the README, in a directory of its own.

    Args:
        title: Of the section.
        directory: Where its files and data lie.
        replaced: Text in it → what stands for it here.
    """

    def __init__(self, title: str, directory: Path, replaced: dict[str, str]) -> None:
        text = section(title)
        for shown, here in replaced.items():
            text = text.replace(shown, here)
        self.directory = directory
        for name, content in _FILE.findall(text):
            (directory / name).write_text(content)
        saved = [content for _, content in _FILE.findall(text)]
        blocks = [(kind, content) for kind, content in _BLOCK.findall(text)]
        self.blocks = [block for block in blocks if block[1] not in saved]

    def run(self, url: str, **more: str) -> dict[str, str]:
        """Run every block of commands in order; what follows as JSON must be the answer's row.

        Returns:
            Each block of commands → what it printed.
        """
        printed: dict[str, str] = {}
        last = ""
        env = environment(KEYFOLD_URL=url, **more)
        with ExitStack() as servers:
            following = [kind for kind, _ in self.blocks[1:]] + [""]
            for (kind, content), after in zip(self.blocks, following, strict=True):
                if kind == "json":
                    wanted = json.loads(content, parse_float=str)
                    answer = self._until_row(last, wanted["row"], env)
                    assert answer["freshness"].keys() == wanted["freshness"].keys()
                elif "keyfold run" in content:
                    command = ["bash", "-c", f"exec env {content}"]
                    servers.enter_context(running(command, url, self.directory, env))
                else:
                    last = content
                    # The last command is the one that JSON answers: it is asked until it does.
                    commands = content.strip().splitlines()
                    now = commands[:-1] if after == "json" else commands
                    printed[content] = self._sh("\n".join(now), env)
        return printed

    def _sh(self, commands: str, env: dict[str, str]) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.directory, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, commands + done.stdout + done.stderr
        return done.stdout

    def _until_row(self, commands: str, wanted: object, env: dict[str, str]) -> dict[str, dict]:
        """Ask again with the last command until the row is there: a view follows its source."""
        question = commands.strip().splitlines()[-1]
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            answer = json.loads(self._sh(f"{question} || true", env) or "{}", parse_float=str)
            if answer.get("row") == wanted:
                return answer
            assert time.monotonic() < deadline, f"{question} answers {answer}, not {wanted}"
            time.sleep(0.2)


def test_the_example_without_a_broker_works_as_it_stands(tmp_path: Path) -> None:
    port = free_port()
    example = Example("The same without a broker", tmp_path, {"8080": str(port)})
    printed = example.run(f"http://127.0.0.1:{port}")
    pushed, explained = printed.values()
    assert "3 events accepted by orders" in pushed
    assert "GROUP BY 1" in explained


@pytest.mark.kafka
def test_the_example_with_kafka_works_as_it_stands(tmp_path: Path, kafka_bootstrap: str) -> None:
    port = free_port()
    replaced = {
        "localhost:9092": kafka_bootstrap,
        "localhost:8080": f"127.0.0.1:{port}",
        "8080": str(port),
        '"orders", 1': '"readme", 1',
        '["orders"]': '["readme"]',
        'produce("orders"': 'produce("readme"',
        "topic = 'orders'": "topic = 'readme'",
        # The example asks once a minute's patience has passed; here the first snapshots are waited
        # for.
        "python query.py": "until python query.py | grep -q 60.00; do sleep 0.2; done\n"
        "python query.py",
    }
    example = Example("From a Kafka topic to curl to DuckDB", tmp_path, replaced)
    printed = list(example.run(f"http://127.0.0.1:{port}").values())
    checked, _, scanned, looked_up, dead, queried = printed
    assert "good, 1 source and 2 views" in checked
    (row,) = json.loads(scanned, parse_float=str)["rows"]
    assert row == {"user_id": "ada", "window_start": "2026-01-05T10:01:00Z", "orders": 1,
                   "total": "40.10"}  # fmt: skip
    assert [row and row["orders"] for row in json.loads(looked_up)["rows"]] == [2, None]
    assert "free" in json.loads(dead)["value"]
    assert re.search(r"ada\D+2\D+60\.00", queried)


def test_every_target_that_is_named_is_one_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in ("README.md", "CONTRIBUTING.md", "loadtests/README.md"):
        for target in re.findall(r"(?:^|`)make ([a-z]+)\b", (ROOT / document).read_text(), re.M):
            assert re.search(rf"^{target}:", makefile, re.M), f"{document}: make {target}"
