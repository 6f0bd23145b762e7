import csv
import importlib.util
import subprocess
from pathlib import Path

import pytest

from tests.docs.running import BIN, ROOT, environment, running
from tests.ports import free_port

USERS = {
    "GET /v1/views/[view]/rows/[key]",
    "POST /v1/views/[view]/lookup",
    "GET /v1/views/[view]/rows",
    "POST /v1/sources/[source]/events",
}
PIPELINE = ROOT / "docs" / "examples" / "orders.sql"
EVENTS = ROOT / "loadtests" / "orders.ndjson"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("locust") is None, reason="needs the extra keyfold[load]"
)


def test_every_user_of_the_load_test_gets_its_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    env = environment(KEYFOLD_URL=url)
    serve = ["keyfold", "run", str(PIPELINE), "--port", url.rsplit(":", 1)[1]]
    with running(serve, url, tmp_path, env):
        subprocess.run(
            ["keyfold", "push", "orders"],
            input=EVENTS.read_bytes(),
            env=env,
            check=True,
        )
        for view in ("spend", "spend_1m"):
            load = subprocess.run(
                [
                    str(BIN / "locust"), "-f", str(ROOT / "loadtests" / "locustfile.py"),
                    "--headless", "--users", "8", "--spawn-rate", "8", "--run-time", "4s",
                    "--host", url, "--csv", str(tmp_path / view), "--view", view,
                    "--source", "orders", "--events", str(EVENTS),
                ],
                check=False, env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True,
                text=True,
                timeout=120,
            )  # fmt: skip
            assert load.returncode == 0, load.stdout + load.stderr
            with (tmp_path / f"{view}_stats.csv").open() as file:
                rows = {row["Name"]: row for row in csv.DictReader(file)}
            asked = {f"{row['Type']} {name}" if name[0] == "/" else name
                     for name, row in rows.items()}  # fmt: skip
            assert asked >= USERS
            assert all(int(row["Failure Count"]) == 0 for row in rows.values())
            assert all(int(rows[name]["Request Count"]) > 0 for name in USERS)
