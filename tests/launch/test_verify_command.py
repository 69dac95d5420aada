"""`tfedrs verify` in this process: exit codes, one JSON object, one sentence, and a run folder that stays as it is."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launch import cli
from tests.launch.small_data import small_flags, write_small_csv

Say = Callable[..., tuple[int, str, str]]
NO_WITNESS = "whether anybody independent has seen the record: whoever holds the run folder can write its chain anew"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run on an embedded chain and one in memory."""
    folder = tmp_path_factory.mktemp("made")
    flags = small_flags(write_small_csv(folder / "ratings.csv"))
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("TFEDRS_CHAIN_URL", raising=False)
        for chain in ("embedded", "memory"):
            arguments = ["simulate", *flags, "--chain", chain, "--out", str(folder / chain), "--json"]
            assert cli.main(arguments) == 0
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run in memory that can be altered."""
    return Path(shutil.copytree(made / "memory", tmp_path / "run"))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.delenv("TFEDRS_CHAIN_URL", raising=False)
    capsys.readouterr()

    def tfedrs_verify(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.main(["verify", *map(str, arguments)])
        return (code, *capsys.readouterr())

    return tfedrs_verify


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and hash of everything below a folder."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(path.read_bytes())
    change(record)
    path.write_text(json.dumps(record))


@pytest.fixture
def on_chain(made: Path, tmp_path: Path) -> Path:
    """A copy of the run on a chain that can be altered."""
    return Path(shutil.copytree(made / "embedded", tmp_path / "on-chain"))


def test_a_run_on_a_chain_verifies_and_stays_as_it_is(made: Path, say: Say) -> None:
    before = contents(made / "embedded")
    code, out, err = say(made / "embedded", "--json")
    assert (code, out.count("\n"), err) == (0, 1, "")
    result = json.loads(out)
    assert (result["verified"], result["ledger"], result["independent_witness"]) == (True, "embedded", False)
    counted = {key: result[key] for key in ("rounds", "on_ledger", "updates", "scores", "models")}
    assert counted == {"rounds": 1, "on_ledger": 1, "updates": 3, "scores": 6, "models": 1}
    assert result["unchecked"] == [NO_WITNESS]
    assert contents(made / "embedded") == before


def test_a_read_only_run_verifies_on_its_own_chain(on_chain: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever chain the environment names, and whatever the folder calls its own."""
    monkeypatch.setenv("TFEDRS_CHAIN_URL", "http://127.0.0.1:9")
    edit(on_chain / "coordinator" / "federation.json", lambda record: record.update(chain_kind="external"))
    everything = (*on_chain.rglob("*"), on_chain)
    for path in everything:
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = contents(on_chain)
    code, out, _ = say(on_chain, "--json")
    after = contents(on_chain)
    for path in reversed(everything):
        path.chmod(0o700)
    assert (code, json.loads(out)["on_ledger"], json.loads(out)["independent_witness"]) == (0, 1, False)
    assert after == before


def test_a_chain_whose_last_block_was_cut_off_does_not_verify(on_chain: Path, say: Say) -> None:
    journal = on_chain / "chain" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))  # the settlement
    sentence = "tfedrs: Round 1, ledger: the ledger does not show it settled.\n"
    assert say(on_chain) == (1, "", sentence)


def test_a_chain_that_does_not_replay_is_a_failure_of_the_environment(on_chain: Path, say: Say) -> None:
    journal = on_chain / "chain" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"raw": "', b'"raw": "00', 1))
    code, _, err = say(on_chain)
    assert code == 3
    assert err.startswith("tfedrs: ")
    assert err.count("\n") == 1


def test_a_run_in_memory_says_what_was_not_checked(made: Path, say: Say) -> None:
    before = contents(made / "memory")
    code, out, err = say(made / "memory")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "Verified 1 rounds: 9 signatures, committees, judgements, rewards and roots."
    assert lines[1].startswith("Computed again: 3 updates checked, 6 scores (largest difference ")
    assert lines[2].startswith("Not checked: the ledger, which was kept in memory and is gone: ")
    assert len(lines) == 3
    assert "tfedrs:" not in err
    assert contents(made / "memory") == before


def test_only_the_public_part(made: Path, say: Say) -> None:
    code, out, _ = say(made / "memory", "--public-only", "--json")
    result = json.loads(out)
    assert (code, result["signatures"], result["updates"], result["models"]) == (0, 9, 0, 0)
    assert result["unchecked"][-1] == "scores, gates and models, because only the public part was asked for"


def test_a_mismatch_is_one_sentence_one_object_and_exit_code_1(run: Path, say: Say) -> None:
    path = run / "evidence" / "round-0001.json"
    evidence = json.loads(path.read_bytes())
    client = evidence["judgements"][0]["account"]
    weight = evidence["judgements"][0]["weight_wad"]
    other = weight[:-1] + ("1" if weight[-1] != "1" else "2")
    path.write_bytes(
        path.read_bytes().replace(f'"weight_wad":"{weight}"'.encode(), f'"weight_wad":"{other}"'.encode(), 1)
    )
    reason = f"it is {other} and must be {weight}"
    sentence = f"tfedrs: Round 1, client {client}, judgements.weight_wad: {reason}.\n"
    code, out, err = say(run)
    assert (code, out) == (1, "")
    assert err.endswith(sentence)
    code, out, err = say(run, "--json")
    assert (code, err) == (1, sentence)
    mismatch = {"round": 1, "client": client, "field": "judgements.weight_wad", "reason": reason}
    assert json.loads(out) == {"verified": False, "mismatch": mismatch}


def test_an_altered_probe_pool_is_named(run: Path, say: Say) -> None:
    path = run / "coordinator" / "probe.npz"
    path.write_bytes(path.read_bytes()[:-40])
    code, _, err = say(run, "--json")
    assert code == 1
    assert err.startswith("tfedrs: The opening of the run, probe pool: ")


def test_evidence_files_are_counted_by_their_numbers(run: Path, say: Say) -> None:
    shutil.copyfile(run / "evidence" / "round-0001.json", run / "evidence" / "round-0003.json")
    code, _, err = say(run, "--json")
    assert code == 1
    assert "Round 2, evidence: " in err
    (run / "evidence" / "round-0003.json").rename(run / "evidence" / "round-3-copy.json")
    assert say(run, "--json")[0] == 0


@pytest.mark.parametrize(
    ("spoil", "arguments", "words"),
    [
        (shutil.rmtree, (), "There is no settled round in "),
        (lambda run: shutil.rmtree(run / "evidence"), (), "There is no settled round in "),
        (lambda run: (run / "coordinator" / "federation.json").unlink(), (), "federation.json cannot be read"),
        (lambda run: (run / "coordinator" / "federation.json").write_text("[]"), (), "federation.json cannot be read"),
        (
            lambda run: edit(
                run / "coordinator" / "federation.json", lambda record: record.update(chain_kind="Memory")
            ),
            (),
            "no chain is called 'Memory'",
        ),
        (
            lambda run: edit(
                run / "coordinator" / "federation.json", lambda record: record.update(chain_kind="external")
            ),
            (),
            "was not started by that run; name it with --chain URL",
        ),
        (
            lambda run: edit(
                run / "coordinator" / "federation.json", lambda record: record.update(chain_kind="external")
            ),
            ("--chain", "http://127.0.0.1:9"),
            "deployment.json is no readable deployment",
        ),
        (lambda run: None, ("--chain", "http://127.0.0.1:9"), "was kept in memory and is gone; leave --chain out"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    run: Path, say: Say, spoil: Callable[[Path], object], arguments: tuple[str, ...], words: str
) -> None:
    spoil(run)
    code, out, err = say(run, *arguments, "--json")
    assert (code, out) == (2, "")
    assert err.startswith("tfedrs: ")
    assert err.count("\n") == 1
    assert words in err
