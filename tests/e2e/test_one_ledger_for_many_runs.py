"""A chain given by URL, from nothing to a reward: account, deploy, two runs on the same contracts, claim."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_utils import to_checksum_address

from common.account import load_account
from contracts.deployment import Deployment
from launch import json_rpc
from launch.chain_choice import open_chain
from launch.cli import main
from server.chain import ChainLedger
from tests.e2e.command_line import SMALL, run_to_its_end

TREASURY_TOKENS = 10  # too few for a run, which has to add the rest
GAS_MONEY_WEI = 10**21


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_chain("embedded", tmp_path_factory.mktemp("chain")) as endpoint:
        yield endpoint.url


@pytest.fixture(scope="module")
def folder(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with an operator's account, deployed contracts, and two runs on them."""
    folder = tmp_path_factory.mktemp("operator")
    run_to_its_end(["account", "keys/operator"], folder)
    fund(url, load_account(folder / "keys" / "operator").address)
    deploy = ["deploy", "--chain", url, "--account", "keys/operator", "--out", "ledger.json"]
    stdout, stderr = run_to_its_end(
        [*deploy, "--challenge-window", "0", "--treasury", str(TREASURY_TOKENS), "--json"], folder
    )
    assert stderr == ""
    assert json.loads(stdout)["file"] == "ledger.json"
    for name in ("first", "second"):
        where = ["--chain", url, "--account", "keys/operator", "--deployment", "ledger.json", "--out", name]
        run_to_its_end(["simulate", *SMALL, *where, "--json"], folder)
    return folder


@pytest.fixture
def tfedrs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """Run a command with --json in the working folder, in this process; it must succeed."""

    def run(*arguments: str) -> dict[str, Any]:
        monkeypatch.chdir(folder)
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def fund(url: str, address: str) -> None:
    json_rpc.request(url, "anvil_setBalance", address, hex(GAS_MONEY_WEI))


def report(folder: Path, run: str) -> dict[str, Any]:
    return json.loads((folder / run / "report.json").read_bytes())


def account_of(folder: Path, run: str, client: int) -> str:
    """Its address stands in the keystore; to open that takes a second."""
    keystore = json.loads((folder / run / "participants" / f"client-{client:02d}" / "account.json").read_bytes())
    return str(to_checksum_address(keystore["address"]))


def earned_wei(folder: Path, run: str, account: str) -> int:
    return sum(int(row["reward"][account]) for row in report(folder, run)["rounds"])


def test_an_account_is_made_for_its_owner_alone(folder: Path) -> None:
    files = list((folder / "keys" / "operator").iterdir())
    assert {path.name for path in files} == {"account.json", "account.pass"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_both_runs_settle_on_the_same_contracts(folder: Path, url: str) -> None:
    deployment = Deployment.load(folder / "ledger.json")
    ledger = ChainLedger(url, deployment)
    assert ledger.run_count() == 2
    for run in ("first", "second"):
        told = report(folder, run)["ledger"]
        assert (told["kind"], told["address"], told["verified"]) == ("external", deployment.round_ledger, True)
        assert Deployment.load(folder / run / "coordinator" / "deployment.json") == deployment
    latest = ledger.latest_settlement()
    assert latest is not None
    assert latest.sequence == 4
    assert latest.run_id.hex() == report(folder, "second")["ledger"]["run_id"]


def test_accounts_and_run_ids_of_a_chain_given_by_url_never_repeat(folder: Path) -> None:
    accounts = [account_of(folder, run, client) for run in ("first", "second") for client in (1, 2, 3)]
    assert len(set(accounts)) == 6
    first, second = (report(folder, run)["ledger"]["run_id"] for run in ("first", "second"))
    assert first != second


def test_the_same_settings_give_the_same_models_on_every_chain(folder: Path) -> None:
    first, second = ([row["model"] for row in report(folder, run)["rounds"]] for run in ("first", "second"))
    assert first == second


def test_what_the_ledger_paid_is_kept_beside_the_deployment(folder: Path) -> None:
    kept = json.loads((folder / "ledger.rewards.json").read_bytes())
    assert kept["sequence"] == 4
    for run in ("first", "second"):
        for client in (1, 2, 3):
            account = account_of(folder, run, client)
            assert int(kept["cumulative_wei"][account]) == earned_wei(folder, run, account)
        assert not (folder / run / "coordinator" / "deployment.rewards.json").exists()


def test_a_reward_of_the_first_run_can_be_collected_from_the_second(
    folder: Path, url: str, tfedrs: Callable[..., dict[str, Any]]
) -> None:
    account = account_of(folder, "first", 1)
    owner = ("--account", "first/participants/client-01", "--payer", "keys/operator", "--chain", url)
    late = tfedrs("claim", "--run", "second", *owner)
    assert late["claimed_wei"] == late["balance_wei"] == str(earned_wei(folder, "first", account))
    again = tfedrs("claim", "--run", "first", *owner)
    assert (again["claimed_wei"], again["balance_wei"]) == ("0", late["balance_wei"])


def test_a_participant_with_gas_money_needs_no_sponsor(
    folder: Path, url: str, tfedrs: Callable[..., dict[str, Any]]
) -> None:
    account = account_of(folder, "second", 2)
    fund(url, account)
    claimed = tfedrs("claim", "--run", "second", "--account", "second/participants/client-02", "--chain", url)
    assert claimed["balance_wei"] == str(earned_wei(folder, "second", account))


def test_a_run_that_does_not_know_what_was_paid_is_refused_and_writes_nothing(
    folder: Path,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "ledger.json").write_bytes((folder / "ledger.json").read_bytes())
    monkeypatch.chdir(tmp_path)
    account = str(folder / "keys" / "operator")
    arguments = ["simulate", *SMALL, "--chain", url, "--account", account, "--deployment", "ledger.json"]
    assert main([*arguments, "--out", "third"]) == 2
    assert capsys.readouterr().err == (
        "tfedrs: The ledger has 4 settlements, but ledger.rewards.json, which says what they paid, is missing; copy "
        "that file from where the ledger's earlier runs were made, or deploy new contracts.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json"]


def test_a_claim_without_the_chain_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(["claim", "--run", "second", "--account", "second/participants/client-03"]) == 2
    assert capsys.readouterr().err == (
        "tfedrs: The chain of second was not started by that run; name it with --chain URL.\n"
    )
