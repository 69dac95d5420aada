"""The parts of the compose services that need no container; tests/compose has the rest."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from common.errors import WrongUse
from launch.container.__main__ import main
from launch.container.coordinator import settled_rounds
from launch.container.foreground import foreground
from launch.container.members import Member, load_members, save_members
from launch.container.service_log import readable
from launch.container.services import claim_folder
from launch.workspace import PROJECT_ROOT

_VARIABLE = re.compile(r"\$\{([A-Z_]+):?-([^}]*)\}")


def test_replicas_hold_different_folders_and_an_ended_one_frees_its_own(tmp_path: Path) -> None:
    for name in ("client-01", "client-02"):
        (tmp_path / name).mkdir()
    first, descriptor = claim_folder(tmp_path)
    second, _ = claim_folder(tmp_path)
    assert [first.name, second.name] == ["client-01", "client-02"]
    with pytest.raises(WrongUse, match="All 2 client folders are in use"):
        claim_folder(tmp_path)
    os.close(descriptor)  # what the end of a process does
    assert claim_folder(tmp_path)[0] == first


def test_members_are_read_as_written(tmp_path: Path) -> None:
    members = (Member("client-01", "0xAb", "-----BEGIN\nline\n"), Member("client-02", "0xCd", ""))
    save_members(tmp_path / "federation.toml", members)
    assert load_members(tmp_path / "federation.toml") == members


def test_a_missing_list_of_members_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is no list of members"):
        load_members(tmp_path / "federation.toml")


def test_rounds_are_counted_in_the_reports(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "report.json").write_text(json.dumps({"rounds": [{}, {}]}))
    (tmp_path / "2").mkdir()
    assert settled_rounds(tmp_path) == {"1": 2, "2": 0}


def test_a_service_ends_with_its_program_though_what_that_started_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    start = "import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)"
    with foreground([sys.executable, "-c", start], os.environ) as process:
        assert process.wait(60) == 0
    left_behind = int(capfd.readouterr().out)  # it holds the other end of the log still
    os.kill(left_behind, signal.SIGKILL)


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("\x1b[92mINFO \x1b[0m:      Sent successfully\n", "INFO Sent successfully"),
        ("\x1b[92mINFO \x1b[0m:      \n", ""),
        ('INFO :      [uvicorn.access] 172.18.0.5:1 - "POST /v1/fleet/pull-messages HTTP/1.1" 200\n', ""),
        (
            'INFO :      [uvicorn.access] 172.18.0.5:1 - "POST /v1/fleet/pull-messages HTTP/1.1" 500\n',
            'INFO [uvicorn.access] 172.18.0.5:1 - "POST /v1/fleet/pull-messages HTTP/1.1" 500',
        ),
        ('  File "x.py", line 1, in y\n', '  File "x.py", line 1, in y'),
        ("ERROR: what failed\n", "ERROR what failed"),
    ],
)
def test_the_log_has_flowers_messages_without_what_says_nothing(said: str, logged: str) -> None:
    assert readable(said) == logged


def test_a_wrong_flag_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--no-such-flag"]) == WrongUse.exit_code
    assert capsys.readouterr().err.startswith("tfedrs: ")


def test_env_example_explains_every_variable_with_its_default() -> None:
    used = dict(_VARIABLE.findall((PROJECT_ROOT / "docker-compose.yml").read_text()))
    lines = (PROJECT_ROOT / ".env.example").read_text().splitlines()
    explained = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert explained == used
