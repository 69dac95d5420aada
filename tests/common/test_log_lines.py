"""Log lines say which run, round and client they are about, and nobody can write a second line into one."""

import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import WrongUse
from common.log_lines import JsonFormatter, TextFormatter, json_line, log_context, wants_json
from launch.container.service_log import readable
from launch.container.services import say
from tests.small_federation import prepare

ROOT = Path(__file__).parents[2]


def record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    return logging.getLogger("flwr").makeRecord("flwr", logging.INFO, "", 0, message, arguments, None, extra=fields)


def test_a_json_line_has_time_level_logger_message_and_what_it_is_about() -> None:
    with log_context(run="00ff", round=3), log_context(client="client-01"):
        line = json.loads(JsonFormatter().format(record("trained in %.1f s", 1.25)))
    when = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - when).total_seconds()) < 60
    assert line == {
        "level": "INFO",
        "logger": "flwr",
        "message": "trained in 1.2 s",
        "run": "00ff",
        "round": 3,
        "client": "client-01",
    }


def test_a_line_of_its_own_client_is_about_that_client() -> None:
    with log_context(round=3, client="everybody"):
        assert json.loads(JsonFormatter().format(record("left out", client="0xAb")))["client"] == "0xAb"


def test_text_names_run_round_and_client_in_brackets() -> None:
    with log_context(run="00ff", round=3, client="client-01"):
        assert TextFormatter().format(record("trained")) == "INFO:    trained [run 00ff, round 3, client client-01]"
    assert TextFormatter().format(record("trained")) == "INFO:    trained"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_traceback_is_kept(formatter: logging.Formatter) -> None:
    failed = record("failed")
    try:
        raise ValueError("of the test")
    except ValueError:
        failed.exc_info = sys.exc_info()
    text = formatter.format(failed)
    assert "Traceback" in text
    assert "ValueError: of the test" in text
    if isinstance(formatter, JsonFormatter):
        assert "\n" not in text


@given(st.text(), st.text())
def test_no_text_breaks_a_json_line(message: str, client: str) -> None:
    line = json_line("INFO", "flwr", message, {"client": client})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == message


def test_an_unknown_format_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFEDRS_LOG_FORMAT", "xml")
    with pytest.raises(WrongUse, match="must be text or json, not 'xml'"):
        wants_json()
    monkeypatch.setenv("TFEDRS_LOG_FORMAT", "")
    assert not wants_json()


SIMULATION = """
import logging, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.small_federation import prepare, forgetful_app
from common.log_lines import configure_logs
configure_logs()
folder = Path({folder!r})
prepare(folder / "participants").play(folder / "run")
"""


@pytest.mark.parametrize("wanted", ["json", "text"])
def test_flowers_logger_writes_a_whole_run_in_the_format_that_was_asked_for(tmp_path: Path, wanted: str) -> None:
    program = SIMULATION.format(root=str(ROOT), folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "TFEDRS_LOG_FORMAT": wanted},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line]
    if wanted == "text":
        assert any(
            re.fullmatch(r"INFO: +settled: 5 updates, \d+ gas \[run [0-9a-f]{16}, round 2\]", one) for one in lines
        )
        return
    read = [json.loads(line) for line in lines]  # every single one
    settled = [one for one in read if one["message"].startswith("settled")]
    assert [one["round"] for one in settled] == [1, 2]
    trained = {(one["round"], one["client"]) for one in read if one["message"].startswith("trained")}
    assert trained == {(number, f"client-{client:02d}") for number in (1, 2) for client in range(1, 6)}
    assert len({one["run"] for one in read if "run" in one}) == 1


def test_what_is_left_out_names_the_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("flwr"), "propagate", True)

    def failing(message: object, context: object, honest: object) -> None:
        raise OSError("no disk\nINFO: settled: 5 updates")

    with caplog.at_level(logging.INFO, logger="flwr"):
        prepare(tmp_path / "participants").play(tmp_path / "run", acts={1: failing})  # type: ignore[dict-item]
    left_out = [one for one in caplog.records if one.getMessage().startswith("left out")]
    assert left_out
    assert {vars(one)["client"] for one in left_out} == {"node 3"}
    assert not any("\n" in one.getMessage() for one in left_out)


def test_a_service_speaks_the_format_of_its_apps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFEDRS_LOG_FORMAT", "json")
    say("Run 2: round 1 is settled", run="2", round=1)
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["run"], line["round"]) == ("Run 2: round 1 is settled", "2", 1)
    flower = json.loads(readable("\x1b[93mWARNING \x1b[0m:   no node\n"))
    assert (flower["level"], flower["message"], flower["logger"]) == ("WARNING", "no node", "flwr")
    assert json.loads(readable("a line of nobody: none\n"))["message"] == "a line of nobody: none"
    ours = json_line("INFO", "flwr", "trained")
    assert readable(ours + "\n") == ours
    monkeypatch.setenv("TFEDRS_LOG_FORMAT", "text")
    assert readable("INFO :  up\n") == "INFO up"
