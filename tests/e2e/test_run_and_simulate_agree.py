"""One real federation, looked at from all sides: does a simulation agree, does the chain, and is nothing given away?"""

import base64
import hashlib
import json
import platform
import shutil
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rfc8785
from eth_hash.auto import keccak

from common.account import development_account
from common.config import Settings
from common.data.client_part import ClientPart
from common.data.load import load_dataset
from common.merkle import merkle_root
from contracts.deployment import Deployment
from launch import json_rpc
from launch.anvil import find_anvil
from launch.chain_choice import ChainEndpoint, open_chain
from server.chain import ChainLedger
from server.settlement import commitment_root, reward_leaves
from tests.e2e.command_line import SMALL, run_to_its_end

ROUNDS, CLIENTS, SEED = 2, 3, 1
REAL_CHAIN = "embedded" if find_anvil() is None else "anvil"


@dataclass(frozen=True)
class RealRun:
    """What a finished `tfedrs run` left: its working folder, its run folder, and what it printed."""

    folder: Path
    path: Path
    printed: dict[str, Any]
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.path / "report.json").read_bytes())

    def evidence_bytes(self, server_round: int) -> bytes:
        return (self.path / "evidence" / f"round-{server_round:04d}.json").read_bytes()

    def evidence(self, server_round: int) -> dict[str, Any]:
        return json.loads(self.evidence_bytes(server_round))


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    folder = tmp_path_factory.mktemp("real")
    stdout, stderr = run_to_its_end(["run", *SMALL, "--chain", REAL_CHAIN, "--json"], folder)
    printed = json.loads(stdout)
    return RealRun(folder, Path(printed["folder"]), printed, stderr)


@pytest.fixture(scope="module")
def copy(real_run: RealRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder once more, for what changes its chain."""
    return shutil.copytree(
        real_run.path, tmp_path_factory.mktemp("copy") / "run", ignore=shutil.ignore_patterns("flower", "superlink.db*")
    )


@pytest.fixture(scope="module")
def chain(real_run: RealRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainEndpoint]:
    """The run's chain, started again from a copy of its state."""
    state = shutil.copytree(real_run.path / "chain", tmp_path_factory.mktemp("state") / "chain")
    with open_chain(REAL_CHAIN, state) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def ledger(real_run: RealRun, chain: ChainEndpoint) -> ChainLedger:
    return ChainLedger(chain.url, Deployment.load(real_run.path / "coordinator" / "deployment.json"))


# --- both ways to run agree


@pytest.mark.parametrize("kind", ["embedded", "memory"])
def test_a_simulation_gives_the_same_models_reputations_and_rewards(
    real_run: RealRun, kind: str, tmp_path: Path
) -> None:
    stdout, stderr = run_to_its_end(["simulate", *SMALL, "--chain", kind, "--out", "run", "--json"], tmp_path)
    assert stderr == ""
    simulated = RealRun(tmp_path, tmp_path / "run", json.loads(stdout), stderr)
    for server_round in range(1, ROUNDS + 1):
        if kind == "embedded":  # the contracts have the same addresses, so even the signatures are the same
            assert simulated.evidence_bytes(server_round) == real_run.evidence_bytes(server_round)
            continue
        ours, theirs = real_run.evidence(server_round), simulated.evidence(server_round)
        assert ours["domain"] != theirs["domain"]
        for evidence in (ours, theirs):  # the domain is signed
            del evidence["domain"]
            for signed in evidence["commitments"] + evidence["scores"]:
                del signed["signature"]
        assert ours == theirs
    assert simulated.report["final"] == real_run.report["final"]
    for ours, theirs in zip(real_run.report["rounds"], simulated.report["rounds"], strict=True):
        for key in ("model", "gain", "reputation", "weight", "reward", "rejected", "ndcg_at_10", "full_ndcg_at_10"):
            assert ours[key] == theirs[key]


# --- the report


_NUMBER = (int, float)
_METRICS = [f"{name}_at_{k}" for name in ("hit_ratio", "ndcg") for k in (5, 10, 20)] + ["map_at_10", "mrr_at_10"]


def test_the_report_has_every_key_of_the_design(real_run: RealRun) -> None:
    report = real_run.report
    assert (report["dataset"], report["model"]) == ("ml-latest-small-2016", "ials")
    assert (report["clients"], report["seed"]) == (CLIENTS, SEED)
    assert [row["round"] for row in report["rounds"]] == [1, 2]
    accounts = {development_account(SEED, index).address for index in range(1, CLIENTS + 1)}
    for row in report["rounds"]:
        for key in ("seconds", "hit_ratio_at_10", "ndcg_at_10", "full_ndcg_at_10"):
            assert isinstance(row[key], float)
            assert row[key] > 0
        for key in ("bytes_up", "bytes_down", "participants", "gas"):
            assert isinstance(row[key], int)
            assert row[key] > 0
        assert row["seconds"] == pytest.approx(
            row["train_seconds"] + row["score_seconds"] + row["settle_seconds"], abs=0.01
        )
        assert row["reputation"].keys() == row["reward"].keys() == accounts
        assert all(0 <= value <= 1 for value in row["reputation"].values())
        assert all(isinstance(wei, str) and int(wei) >= 0 for wei in row["reward"].values())
        assert sum(int(wei) for wei in row["reward"].values()) <= 1000 * 10**18
        assert row["rejected"] == []
        assert row["epsilon_aggregate"] is None
    for key in [*_METRICS, *(f"full_{name}" for name in _METRICS)]:
        assert isinstance(report["final"][key], float)
        assert 0 <= report["final"][key] <= 1
    assert report["final"]["map_at_10"] == report["final"]["mrr_at_10"]
    assert report["rounds"][-1]["ndcg_at_10"] == report["final"]["ndcg_at_10"]
    ledger = report["ledger"]
    assert (ledger["kind"], ledger["chain_id"], ledger["settled_rounds"]) == (REAL_CHAIN, 31337, ROUNDS)
    assert ledger["verified"] is True
    assert ledger["address"].startswith("0x")
    privacy = report["privacy"]
    assert privacy["mode"] == "visible"
    assert {"unit", "adjacency", "epsilon_aggregate", "epsilon_committee", "delta"} <= privacy.keys()


def test_json_is_the_report_and_where_it_is_and_nothing_else_is_said(real_run: RealRun) -> None:
    added = {"folder", "accounts", "start_seconds", "total_seconds"}
    assert {key: value for key, value in real_run.printed.items() if key not in added} == real_run.report
    assert added <= real_run.printed.keys()
    assert real_run.printed["accounts"] == [development_account(SEED, index).address for index in (1, 2, 3)]
    assert real_run.stderr == ""


def test_runs_latest_leads_to_the_run(real_run: RealRun) -> None:
    assert real_run.path.parent == real_run.folder / "runs"
    assert (real_run.folder / "runs" / "latest").is_symlink()
    assert (real_run.folder / "runs" / "latest" / "report.json").samefile(real_run.path / "report.json")
    assert sorted(path.name for path in real_run.folder.iterdir()) == ["runs"]


def test_config_toml_holds_everything_needed_to_repeat_the_run(real_run: RealRun) -> None:
    config = tomllib.loads((real_run.path / "config.toml").read_text())
    settings = Settings(clients=CLIENTS, rounds=ROUNDS, factors=8, probe_pairs=50)
    assert config["settings"] == settings.to_run_config()
    assert Settings.from_run_config(config["settings"]) == settings
    assert config["versions"]["python"] == platform.python_version()
    assert config["versions"]["flwr"] == version("flwr")
    assert config["data_sha256"] == load_dataset(settings.dataset, None).file_hashes
    assert len(config["source"]["git_commit"].removesuffix("+changes")) == 40 or (
        config["source"]["git_commit"] == "unknown"
    )


# --- the public record


def test_every_round_on_the_chain_is_the_evidence_in_the_folder(real_run: RealRun, ledger: ChainLedger) -> None:
    model = real_run.evidence(1)["model"]
    for server_round, row in enumerate(real_run.report["rounds"], start=1):
        data = real_run.evidence_bytes(server_round)
        evidence = json.loads(data)
        assert rfc8785.dumps(evidence) == data
        record = ledger.round_record(bytes.fromhex(evidence["run_id"]), server_round)
        assert record is not None
        assert record.settlement is not None
        assert record.settlement.evidence_root == keccak(data)
        assert record.settlement.next_model_hash.hex() == evidence["next_model"] == row["model"]
        assert record.model_hash.hex() == evidence["model"] == model
        model = evidence["next_model"]
        commitments = {each["account"]: bytes.fromhex(each["commitment"]) for each in evidence["commitments"]}
        assert record.commitment_root == commitment_root(evidence["cohort"], commitments)
        earned = {each["account"]: int(each["cumulative_wei"]) for each in evidence["judgements"]}
        assert record.settlement.reward_root == merkle_root(reward_leaves(evidence["cohort"], earned))
        assert record.settlement.rewarded_wei == sum(int(wei) for wei in row["reward"].values())
        assert record.gas_used == row["gas"]
        assert keccak(bytes.fromhex(evidence["seed_link"])) == (
            ledger.run_record(record.run_id).seed_anchor  # type: ignore[union-attr]
            if server_round == 1
            else bytes.fromhex(real_run.evidence(server_round - 1)["seed_link"])
        )


def test_every_object_is_named_by_its_sha256(real_run: RealRun) -> None:
    objects = [path for path in (real_run.path / "objects").rglob("*") if len(path.name) == 64]
    assert len(objects) == 1 + ROUNDS + ROUNDS * CLIENTS  # the models, and every client's update in every round
    for path in objects:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert (real_run.path / "objects" / real_run.report["rounds"][-1]["model"]).is_file()


# --- what stays private


def test_secrets_and_updates_are_for_their_owner_alone(real_run: RealRun) -> None:
    private = [
        path
        for pattern in (
            *("**/account.json", "**/account.pass", "**/node.key", "**/committee.secret", "tls/server.key"),
            *("objects/updates/*", "participants/*/data.npz", "participants/*/replies/*/*/*", "superlink.db*"),
        )
        for path in real_run.path.glob(pattern)
    ]
    assert len(private) >= 2 * (CLIENTS + 1) + CLIENTS + 2 + ROUNDS * (CLIENTS + 1) + CLIENTS + 2 * ROUNDS * CLIENTS + 1
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in private} == {
        path.name: "0o600" for path in private
    }
    folders = list((real_run.path / "participants").iterdir())
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_no_secret_is_in_any_file_but_its_own(real_run: RealRun) -> None:
    secrets: dict[str, list[bytes]] = {}
    for index in range(CLIENTS + 1):
        key = development_account(SEED, index).key
        secrets[f"key {index}"] = [key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key)]
    for path in real_run.path.glob("**/account.pass"):
        secrets[str(path)] = [path.read_bytes()]
    pem_files = [*real_run.path.glob("**/node.key"), real_run.path / "tls" / "server.key"]
    for path in pem_files:
        body = [line for line in path.read_bytes().splitlines() if not line.startswith(b"-")]
        # the first lines of an OpenSSH key hold its public part, the last ones the private number
        secrets[str(path)] = body[-3:-1] if len(body) > 3 else body[:1]
    assert len(secrets) == (CLIENTS + 1) * 2 + CLIENTS + 1
    said = (json.dumps(real_run.printed) + real_run.stderr).encode()
    assert not any(form in said for forms in secrets.values() for form in forms)
    searched = 0
    for path in real_run.path.rglob("*"):
        if not path.is_file() or path.suffix in (".py", ".pyc"):
            continue
        content = path.read_bytes()
        searched += 1
        for owner, forms in secrets.items():
            assert owner == str(path) or not any(form in content for form in forms), (owner, path)
    assert searched > 50


def test_the_last_link_of_the_seed_chain_is_secret_until_the_last_round(real_run: RealRun) -> None:
    secret = (real_run.path / "coordinator" / "committee.secret").read_bytes()
    shown_in = [path.name for path in (real_run.path / "evidence").iterdir() if secret in path.read_bytes()]
    assert shown_in == [f"round-{ROUNDS:04d}.json"]


def test_a_client_folder_holds_its_own_users_and_nothing_else(real_run: RealRun) -> None:
    dataset = load_dataset("ml-latest-small-2016", None)
    seen: list[str] = []
    folders = sorted((real_run.path / "participants").iterdir())
    assert [folder.name for folder in folders] == ["client-01", "client-02", "client-03"]
    for folder in folders:
        kept = {"replies", "state.json", "user-vectors.npz", "answering.lock"}
        expected = {"account.json", "account.pass", "ca.pem", "catalogue.json", "data.npz", "node.key", "probe.npz"}
        assert {path.name for path in folder.iterdir()} == expected | kept
        part = ClientPart.load(folder / "data.npz")
        seen += part.user_ids
        for row, user_id in enumerate(part.user_ids):
            own = dataset.interactions.items_of(dataset.user_ids.index(user_id))
            assert np.isin(part.train.items_of(row), own).all()
            assert part.test[row] in own
    assert sorted(seen) == sorted(dataset.user_ids)
    assert not [path for path in real_run.path.rglob("data.npz") if path.parent.parent.name != "participants"]


# --- collecting the reward


def claim(copy: Path, client: int, *more: str) -> dict[str, Any]:
    """Claim on the run's own chain, whatever other chain the environment names."""
    arguments = ["claim", "--run", "run", "--account", f"run/participants/client-{client:02d}", "--json", *more]
    stdout, _ = run_to_its_end(arguments, copy.parent, TFEDRS_CHAIN_URL="http://127.0.0.1:9")
    return json.loads(stdout)


def test_a_participant_collects_its_reward_once(real_run: RealRun, copy: Path) -> None:
    account = development_account(SEED, 1).address
    earned_wei = sum(int(row["reward"][account]) for row in real_run.report["rounds"])
    assert earned_wei > 0
    first = claim(copy, 1)
    assert (first["account"], first["claimed_wei"], first["balance_wei"]) == (account, str(earned_wei), str(earned_wei))
    assert first["gas"] > 0
    second = claim(copy, 1)
    assert (second["claimed_wei"], second["balance_wei"], second["transaction"]) == ("0", str(earned_wei), None)


def test_who_pays_the_gas_gets_no_tokens(real_run: RealRun, copy: Path) -> None:
    owner, sponsor = (development_account(SEED, index).address for index in (2, 3))
    earned_wei = sum(int(row["reward"][owner]) for row in real_run.report["rounds"])
    assert claim(copy, 2, "--payer", "run/participants/client-03")["balance_wei"] == str(earned_wei)
    with open_chain(REAL_CHAIN, copy / "chain") as endpoint:
        ledger = ChainLedger(endpoint.url, Deployment.load(copy / "coordinator" / "deployment.json"))
        assert (ledger.balance_wei(owner), ledger.balance_wei(sponsor)) == (earned_wei, 0)
        spent = [
            int(json_rpc.request(endpoint.url, "eth_getTransactionCount", each, "latest"), 16)
            for each in (owner, sponsor)
        ]
        assert spent == [0, 1]
