import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings, flag_of
from common.errors import CheckFailed, EnvironmentFailure, TfedrsError, WrongUse
from launch import cli
from launch.arguments import parser

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("run", "simulate", "deploy", "verify", "claim", "account"),
    *("provision", "coordinate", "participate", "join", "prepare-data", "admit", "revoke", "renew", "bundle"),
    *("status", "experiment", "doctor", "backup", "restore", "data"),
)


def help_of(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_that_work_and_fits_80_columns(command, capsys, monkeypatch):
    text = help_of(command, capsys, monkeypatch)
    assert max(map(len, text.splitlines())) <= 80
    _, _, examples = text.replace("\\\n", " ").partition("examples:\n")
    lines = [line.split() for line in examples.splitlines() if line.strip().startswith("tfedrs")]
    assert command in [words[1] for words in lines]
    for words in lines:
        parser().parse_args(words[1 : words.index(">")] if ">" in words else words[1:])


def test_help_explains_every_setting_with_its_default(capsys, monkeypatch):
    text = " ".join(help_of("run", capsys, monkeypatch).split())
    parsed = parser().parse_args(["run"])
    for entry in fields(Settings):
        assert f"--{flag_of(entry.name)}" in text
        assert getattr(parsed, entry.name) == entry.default


@pytest.mark.parametrize(
    "arguments", [["--help"], *([command, "--help"] for command in COMMANDS), ["run", "--no-such"]]
)
def test_help_and_mistakes_answer_at_once_without_heavy_imports(arguments):
    program = (
        "import sys\nfrom launch.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "sys.exit(' '.join({'numpy', 'flwr', 'web3', 'rich', 'eth_account', 'httpx'} & set(sys.modules)) or 0)"
    )
    took = []
    for _ in range(2):  # the first one may have to write bytecode
        before = processor_seconds()  # not the clock's: other work on the machine is nobody's fault here
        done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, check=False)
        took.append(processor_seconds() - before)
        assert done.returncode == 0, done.stderr
    assert min(took) < 0.5


def processor_seconds():
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_flags_are_not_guessed_from_their_beginnings():
    with pytest.raises(WrongUse, match="--round"):
        parser().parse_args(["run", "--round", "3"])


def does(monkeypatch, what):
    """Let `tfedrs account x` do something else."""
    monkeypatch.setitem(cli._COMMANDS, "account", lambda parsed: what())
    return cli.main(["account", "x", "--json"])


def raises(error):
    def raise_it():
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("error", "exit_code", "sentence"),
    [
        (CheckFailed("the sums differ"), 1, "The sums differ."),
        (WrongUse("--rounds must be at least 1, not 0."), 2, "--rounds must be at least 1, not 0."),
        (EnvironmentFailure("the node\nstopped:  see\t/x.log"), 3, "The node stopped: see /x.log."),
        (KeyboardInterrupt(), 130, "Interrupted; everything that was started is stopped."),
        (
            OSError(28, "No space left on device", "/data/x"),
            3,
            "The system refuses to go on (No space left on device: /data/x); "
            "check the disk and the rights, or choose another folder.",
        ),
        (
            ZeroDivisionError("division\nby zero"),
            1,
            "This should not happen: ZeroDivisionError: division by zero; "
            "run it again with TFEDRS_TRACEBACK=1 and report what it prints.",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_failure_is_one_sentence_and_an_exit_code(error, exit_code, sentence, monkeypatch, capsys):
    monkeypatch.delenv("TFEDRS_TRACEBACK", raising=False)
    assert does(monkeypatch, raises(error)) == exit_code
    assert capsys.readouterr() == ("", f"tfedrs: {sentence}\n")


def test_a_traceback_is_shown_to_who_asks_for_it(monkeypatch, capsys):
    monkeypatch.setenv("TFEDRS_TRACEBACK", "1")
    assert does(monkeypatch, raises(ZeroDivisionError())) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_unwinds_the_command(number, monkeypatch, capsys):
    unwound = []

    def work():
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        finally:
            unwound.append(True)

    assert does(monkeypatch, work) == 128 + number
    assert unwound
    assert capsys.readouterr().err == "tfedrs: Told to stop; everything that was started is stopped.\n"


def test_json_prints_one_object_and_nothing_else(monkeypatch, capsys):
    assert does(monkeypatch, lambda: {"account": "0x1", "path": "a\nb"}) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out), out.count("\n"), err) == ({"account": "0x1", "path": "a\nb"}, 1, "")


@given(st.text())
def test_a_sentence_is_one_line_with_a_full_stop_and_stays_as_it_is(text):
    sentence = cli.as_sentence(text)
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1
    assert cli.as_sentence(sentence) == sentence
    assert sentence.lower().removesuffix(".").split() == text.lower().removesuffix(".").split() or not text.isascii()


@pytest.mark.parametrize("kept", ["--rounds is 0.", "runs/latest is empty.", "ml-1m is not here.", "0x12 is unknown."])
def test_a_first_word_that_is_no_plain_word_is_left_alone(kept):
    assert cli.as_sentence(kept) == kept


def test_every_error_has_its_exit_code():
    codes = {kind: kind.exit_code for kind in (TfedrsError, CheckFailed, WrongUse, EnvironmentFailure)}
    assert list(codes.values()) == [1, 1, 2, 3]
