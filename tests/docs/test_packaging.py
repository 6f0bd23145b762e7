"""What packages Keyfold is held to what can be seen without a container engine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from keyfold.settings import Settings
from keyfold.sql.compile import compile_sql
from tests.docs.running import ROOT, environment, running
from tests.ports import free_port

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.sql"))
PACKAGES = ("keyfold", "ingest", "serving", "lake")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.name)
def test_an_example_pipeline_compiles(file: Path) -> None:
    assert compile_sql(file.read_text(), str(file)).views


def test_the_constraints_are_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!]+", line) for line in lines)
    assert not any(line.startswith("keyfold==") for line in lines)


def test_every_direct_dependency_is_pinned_within_what_the_project_asks() -> None:
    import tomllib  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    )
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(one for extra in extras for one in extra)]
    for requirement in map(Requirement, asked):
        name = requirement.name.lower().replace("_", "-")
        assert name in pinned, f"{name} is not pinned: make constraints"
        assert requirement.specifier.contains(pinned[name]), requirement


def test_compose_waits_only_for_services_that_it_has() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{other} has no health check"
            if how["condition"] == "service_completed_successfully":
                assert services[other]["restart"] == "no", f"{other} would never complete"


def test_compose_mounts_only_what_is_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            where = volume.split(":")[0]
            known = (
                (ROOT / where).is_file() if where.startswith(".") else where in COMPOSE["volumes"]
            )
            assert known, where


def test_compose_gives_settings_that_are_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    given = COMPOSE["services"]["keyfold"]["environment"]
    fields = {f"KEYFOLD_{name.upper()}" for name in Settings.model_fields}
    assert given.keys() <= fields
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    catalog = Settings().lake_catalog  # type: ignore[call-arg]
    assert catalog["s3.endpoint"] == "http://minio:9000"
    assert catalog["warehouse"].startswith("s3://lake/")


def test_compose_publishes_to_this_machine_only() -> None:
    ports = [port for one in COMPOSE["services"].values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_reads_the_topic_that_it_makes() -> None:
    (mount,) = [v for v in COMPOSE["services"]["keyfold"]["volumes"] if ".sql:" in v]
    (source,) = compile_sql((ROOT / mount.split(":")[0]).read_text()).sources
    assert f"--topic={source.options['topic']}" in COMPOSE["services"]["topic"]["entrypoint"]
    address = source.options["properties.bootstrap.servers"]
    assert address in COMPOSE["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


def test_the_image_copies_what_the_context_has() -> None:
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    named = {name for line in copied for name in line.split() if name != "."}
    assert named <= kept
    assert {*PACKAGES, "pyproject.toml", "constraints.txt", "README.md", "LICENSE"} == kept
    assert all((ROOT / name).exists() for name in kept)


def test_the_image_is_not_run_as_root_and_gives_settings_that_are_ones() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER keyfold$", last, re.M)
    assert last.index("\nUSER ") < last.index("\nENTRYPOINT ")
    assert 'ENTRYPOINT ["keyfold"]' in last
    named = set(re.findall(r"\b(KEYFOLD_\w+)=", last))
    assert named <= {f"KEYFOLD_{name.upper()}" for name in Settings.model_fields}


def test_the_health_check_of_the_image_tells_a_server_from_none(tmp_path: Path) -> None:
    (found,) = re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", DOCKERFILE, re.M)
    program, *arguments = json.loads(found)
    assert program == "python"
    port = free_port()
    env = environment(KEYFOLD_PORT=str(port))

    def healthy() -> bool:
        check = subprocess.run(
            [sys.executable, *arguments], env=env, capture_output=True, check=False, timeout=30
        )
        return check.returncode == 0

    assert not healthy()
    serve = ["keyfold", "serve", "--data-dir", str(tmp_path / "data")]
    with running(serve, f"http://127.0.0.1:{port}", tmp_path, env, route="/healthz"):
        assert healthy()


def test_the_build_script_and_the_workflow_run_the_one_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    last = script.read_text().splitlines()[-1]
    assert last.endswith(" make check")
    assert "KEYFOLD_REQUIRE_KAFKA=1" in script.read_text()
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text())
    runs = [s["run"] for job in workflow["jobs"].values() for s in job["steps"] if "run" in s]
    assert [" ".join(run.split()[:2]) for run in runs] == ["make check"]


def test_the_hooks_before_a_commit_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)
