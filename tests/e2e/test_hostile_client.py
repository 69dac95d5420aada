"""Hostile participants over real Flower messages: each in a process of its own, none of them stops the others."""

import json
import shutil
from pathlib import Path
from typing import Any

from common.config import Settings
from launch.local_federation import LocalFederation
from launch.prepared_run import prepared_run
from launch.run_options import RunOptions
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(clients=4, rounds=2, factors=8, probe_pairs=50, withhold_metrics=True, phase_timeout=20.0)


def hostile_app(folder: Path) -> Path:
    """The project's app, with another client in it."""
    for package in ("client", "common", "server", "contracts"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("bundled", "__pycache__"))
    shutil.copytree(ROOT / "tests" / "e2e" / "hostile_app", folder / "hostile_app")
    project = (ROOT / "pyproject.toml").read_text()
    for honest, hostile in (
        ('clientapp = "client.app:app"', 'clientapp = "hostile_app.client:app"'),
        ('fab-include = ["client/**/*.py"', 'fab-include = ["hostile_app/**/*.py", "client/**/*.py"'),
    ):
        assert honest in project
        project = project.replace(honest, hostile)
    (folder / "pyproject.toml").write_text(project)
    return folder


def test_the_round_goes_on_without_hostile_participants_and_they_come_back(tmp_path: Path) -> None:
    options = RunOptions(out=tmp_path / "run", chain="embedded", account_dir=None, deployment=None, data_root=None)
    with (
        prepared_run(SETTINGS, options) as ready,
        LocalFederation(hostile_app(tmp_path / "app"), ready.folder, ready.client_dirs) as federation,
    ):
        run_id = federation.submit(
            SETTINGS.to_run_config()
            | {COORDINATOR_DIR: str(ready.federation.folder), RUN_DIR: str(ready.folder), CHAIN_URL: ready.chain_url}
        )
        federation.wait(run_id, lambda: None, timeout_seconds=200)
        nodes = [f"node {node_id}" for node_id in federation.node_ids]
    report = json.loads((ready.folder / "report.json").read_bytes())
    first, second = report["rounds"]
    assert first["participants"] == 2
    assert reasons(first) == {
        ready.client_accounts[1]: "array 'residual' is cut off",
        nodes[2]: "its reply cannot be unpacked: DecodeError",
    }
    assert second["participants"] == 3
    assert reasons(second)[nodes[3]] == "it did not answer within 20 s"
    assert report["ledger"]["verified"] is True
    assert report["ledger"]["settled_rounds"] == 2


def reasons(row: dict[str, Any]) -> dict[str, str]:
    return {entry["account"]: entry["reason"] for entry in row["rejected"]}
