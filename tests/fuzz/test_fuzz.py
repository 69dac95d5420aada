"""No reader is missing in the table of decoders, and some inputs of each, whatever becomes of them."""

import ast
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.workspace import PROJECT_ROOT
from tests.fuzz import __main__ as fuzzer
from tests.fuzz.bounds import Broken, tried
from tests.fuzz.decoder import Decoder
from tests.fuzz.decoders import decoders

INPUTS = 2000
READS = re.compile(r"(read|decode|load|from|parse|answer|kept|saved|received|admitted|settings_of)(_|$)|open$")
CHECKS = re.compile(r"check_(update|signature)$")
GIVEN = re.compile(r"\b(bytes|Path|RecordDict|RoundTask|RunFolder|SourceFile|Mapping|Arrays|object)\b")
"""What somebody else's bytes come in."""

EXCEPTIONS = {
    "common.data.load:load_dataset": "chooses among the loaders, and reads nothing",
    "common.data.ml_100k:load_ml_100k": "a published data set; its lines are read by read_rating_lines",
    "common.data.ml_1m:load_ml_1m": "a published data set; its lines are read by read_rating_lines",
    "common.data.ml_1m:load_ml_1m_ncf": "a published data set; its lines are read by read_rating_lines",
    "common.models.model:Model.check_update": "an interface",
    "common.models.warm_start:Turn.check_update": "hands on to the second model's",
    "launch.chain_choice:kept_chain": "looks whether files are there",
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Decoder, ...]:
    return decoders(tmp_path_factory.mktemp("fuzz"))


def readers() -> set[str]:
    """Every public function that reads, by its name and by what it is given."""
    found = set()
    for package in ("common", "client", "server", "launch", "contracts"):
        for path in (PROJECT_ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts)
            for name, function in _functions(ast.parse(path.read_text()).body):
                given = " ".join(ast.unparse(one.annotation) for one in function.args.args if one.annotation)
                last = name.rpartition(".")[2]
                is_method = bool(function.args.args) and function.args.args[0].arg == "self"
                reads = READS.match(last) and (GIVEN.search(given) or (is_method and last == "load_checkpoint"))
                if reads or CHECKS.match(last):
                    found.add(f"{module}:{name}")
    return found


def _functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _functions(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node


def test_every_reader_is_in_the_table_or_an_exception_with_its_reason(table: tuple[Decoder, ...]) -> None:
    covered = {name for decoder in table for name in decoder.covers}
    assert readers() - covered - set(EXCEPTIONS) == set()
    assert covered - readers() == set(), "these are covered, but are no readers, or not there"
    assert set(EXCEPTIONS) - readers() == set(), "these exceptions are not there"
    assert not covered & set(EXCEPTIONS)


def test_no_decoder_breaks_its_promise(
    table: tuple[Decoder, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    accepted = refused = 0
    for decoder, count in zip(table, fuzzer.shares(table, INPUTS), strict=True):
        tally = fuzzer.fuzz(decoder, count, 1, tmp_path)
        assert tally.failures == 0, capfd.readouterr().err
        assert tally.inputs == count
        accepted, refused = accepted + tally.accepted, refused + tally.inputs - tally.accepted
    assert accepted > INPUTS / 20, "hardly anything is accepted: the changes are too coarse to reach far"
    assert refused > INPUTS / 2


def test_the_same_seed_gives_the_same_inputs(table: tuple[Decoder, ...]) -> None:
    for decoder in table:
        inputs = [fuzzer.made_input(decoder, number, 7) for number in range(5)]
        assert inputs == [fuzzer.made_input(decoder, number, 7) for number in range(5)]
        assert inputs != [fuzzer.made_input(decoder, number, 8) for number in range(5)]


def test_a_failure_is_kept_with_the_command_that_repeats_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def breaks(data: bytes) -> object:
        return {}[data] if data else None

    decoder = Decoder("the broken one", (), [b""], lambda rng, inputs: rng.randbytes(3), breaks, (ValueError,))
    tally = fuzzer.fuzz(decoder, 2, 1, tmp_path)
    assert (tally.failures, tally.inputs) == (2, 0)
    said = capfd.readouterr().err
    assert "the broken one: it raised KeyError" in said
    for path in tmp_path.iterdir():
        assert f"python -m tests.fuzz --decoder 'the broken one' --replay {path}" in said
        assert len(path.read_bytes()) == 3


def test_what_kills_the_process_takes_too_long_or_too_much_is_a_failure(tmp_path: Path) -> None:
    def busy(data: bytes) -> None:
        while True:
            pass

    def read(data: bytes) -> object:
        if data == b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return bytes(1 << 24) if data == b"large" else None

    with pytest.raises(Broken, match="allocated"):
        tried(read, b"large", (), 1.0, 1 << 20)
    with pytest.raises(Broken, match="still busy"):
        tried(busy, b"", (), 0.05, None)
    decoder = Decoder("dangerous", (), [], lambda rng, _: rng.choice([b"kill", b"fine"]), read, ())
    tally = fuzzer.fuzz(decoder, 10, 1, tmp_path)
    assert tally.failures > 0
    assert tally.inputs + tally.failures == 10
