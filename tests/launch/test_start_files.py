"""The files that start a machine: systemd takes the unit, docker compose the compose file."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from launch.start_files import Service, write_compose_file, write_start_files


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    place = str(tmp_path)
    write_start_files(tmp_path, Service("tfedrs-x.service", "participant x", place, "participate", place, "2G"))
    assert os.access(tmp_path / "start.sh", os.X_OK)
    assert 'exec tfedrs participate "$(dirname "$0")"' in (tmp_path / "start.sh").read_text()
    unit = tmp_path / "tfedrs-x.service"
    assert complaints(unit) == []
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    assert any("strictly" in line for line in complaints(unit)), "systemd looks at nothing"


def complaints(unit: Path) -> list[str]:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    return [line for line in done.stderr.splitlines() if unit.name in line]


def test_the_compose_file_runs_one_participant_without_rights(tmp_path: Path) -> None:
    write_compose_file(tmp_path, "alice")
    path = tmp_path / "compose.yml"
    compose = yaml.safe_load(path.read_text())
    assert compose["name"] == "tfedrs-alice"
    (service,) = compose["services"].values()
    assert service["entrypoint"] + service["command"] == ["tfedrs", "participate", "."]
    assert service["working_dir"] == "/participant"
    assert service["volumes"] == ["./:/participant"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].startswith("${TFEDRS_USER:?write TFEDRS_USER=UID:GID ")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert not {"privileged", "ports", "environment", "network_mode"} & set(service)
    if shutil.which("docker-compose"):
        environment = {**os.environ, "TFEDRS_USER": "1000:1000"}
        subprocess.run(["docker-compose", "--file", path, "config", "--quiet"], check=True, timeout=60, env=environment)
