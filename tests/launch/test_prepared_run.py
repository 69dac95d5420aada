"""What a run needs before its first round, and that nothing is written where something is wrong."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.account import development_account, load_account, save_account
from common.config import Settings
from common.data.catalogue import Catalogue
from common.data.client_part import ClientPart
from common.data.probe import load_probe_pool
from common.errors import EnvironmentFailure, TfedrsError, WrongUse
from contracts.deployment import deploy
from launch import json_rpc
from launch.chain_choice import open_chain
from launch.preparation import committee_secret, draw_accounts, prepare_data
from launch.prepared_run import PreparedRun, prepared_run
from launch.run_options import RunOptions
from server.federation import load_federation, load_public_pool, load_secrets
from server.submitted_run import FIXED_BY_PREPARATION
from tests.launch.small_data import COLUMNS, ITEMS, USERS, write_small_csv


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    csv = write_small_csv(tmp_path / "ratings.csv")
    return Settings(dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=3, rounds=2, factors=4, probe_pairs=20, seed=5)


def options(
    out: Path, chain: str = "memory", account: Path | None = None, deployment: Path | None = None
) -> RunOptions:
    return RunOptions(out=out, chain=chain, account_dir=account, deployment=deployment, data_root=None)


@pytest.fixture
def ready(settings: Settings, tmp_path: Path) -> Iterator[PreparedRun]:
    with prepared_run(settings, options(tmp_path / "run")) as ready:
        yield ready


def test_every_client_gets_its_own_users_and_the_public_files(ready: PreparedRun) -> None:
    users: list[str] = []
    for client_dir in ready.client_dirs:
        part = ClientPart.load(client_dir / "data.npz")
        users += part.user_ids
        catalogue = Catalogue.load(client_dir / "catalogue.json")
        assert len(catalogue.item_ids) == part.train.item_count <= ITEMS
        assert catalogue.digest() == ready.federation.catalogue_hash
        shards = load_probe_pool(client_dir / "probe.npz")
        assert tuple(shard.digest() for shard in shards) == ready.federation.probe_shards
    assert len(users) == len(set(users)) == USERS
    assert len(ready.federation.probe_shards) == 2  # one for each peer of a committee


def test_accounts_repeat_from_the_seed_where_nothing_is_worth_anything(ready: PreparedRun) -> None:
    expected = [development_account(5, index).address for index in range(4)]
    assert load_account(ready.folder / "coordinator").address == expected[0]
    assert [load_account(folder).address for folder in ready.client_dirs] == expected[1:]
    assert list(ready.client_accounts) == expected[1:]
    assert set(ready.ledger.participants()) == set(expected[1:])


def test_the_coordinator_reads_back_what_was_prepared(ready: PreparedRun) -> None:
    assert load_federation(ready.folder / "coordinator") == ready.federation
    assert len(load_public_pool(ready.federation)) == 2  # the same as the participants'
    account, secret = load_secrets(ready.folder / "coordinator")
    assert account.address == development_account(5, 0).address
    assert len(secret) == 32
    assert ready.federation.development
    assert ready.federation.rewards_file == ready.folder / "coordinator" / "deployment.rewards.json"


def test_the_treasury_can_pay_every_round(ready: PreparedRun) -> None:
    assert ready.ledger.treasury_wei() == 2 * 1000 * 10**18


def test_the_settings_are_in_the_folder(ready: PreparedRun, settings: Settings) -> None:
    config = tomllib.loads((ready.folder / "config.toml").read_text())
    assert Settings.from_run_config(config["settings"]) == settings
    assert config["data_sha256"].keys() == {"ratings.csv"}


class _WatchedSettings:
    """Settings that note what is asked of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> object:
        self.asked.add(name)
        return getattr(self._settings, name)


def test_what_preparation_looks_at_is_fixed_for_all_runs_of_the_federation(settings: Settings) -> None:
    watched: Any = _WatchedSettings(settings)
    prepare_data(watched, None)
    draw_accounts(watched, development=True)
    committee_secret(watched, development=True)
    # a run that is submitted later may have another model, except mf: `settings_of_run` has a rule for that
    not_fixed = {"unsafe_single_user", "model"}
    assert watched.asked | not_fixed == {*FIXED_BY_PREPARATION, *not_fixed}


def test_the_same_seed_prepares_the_same_files(settings: Settings, tmp_path: Path) -> None:
    for name in ("one", "two"):
        with prepared_run(settings, options(tmp_path / name)):
            pass
    for path in (tmp_path / "one").rglob("*"):
        if path.name in ("catalogue.json", "config.toml", "committee.secret", "federation.json"):
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    for first, second in zip(*(sorted((tmp_path / name).rglob("data.npz")) for name in ("one", "two")), strict=True):
        ours, theirs = ClientPart.load(first), ClientPart.load(second)
        assert ours.user_ids == theirs.user_ids
        assert (ours.train.items == theirs.train.items).all()


# --- nothing is written


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_chain("embedded", tmp_path_factory.mktemp("chain")) as endpoint:
        yield endpoint.url


@pytest.fixture
def pauper(tmp_path: Path) -> Path:
    save_account(development_account(77, 7), tmp_path / "pauper", development=True)
    return tmp_path / "pauper"


def refused(settings: Settings, options: RunOptions, error: type[TfedrsError], words: str) -> None:
    assert options.out is not None
    before = sorted(options.out.parent.rglob("*"))
    with pytest.raises(error, match=words), prepared_run(settings, options):
        pass
    assert sorted(options.out.parent.rglob("*")) == before


def test_bad_data_write_nothing(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,stars,when\nu1,i1,three,5\n")
    refused(settings, options(tmp_path / "run"), WrongUse, "line 2: expected a finite number as the rating")


def test_a_missing_account_or_contract_writes_nothing(
    settings: Settings, tmp_path: Path, url: str, pauper: Path
) -> None:
    out = tmp_path / "run"
    refused(settings, options(out, url), WrongUse, "needs an account that pays for gas")
    refused(settings, options(out, url, tmp_path / "nobody"), WrongUse, "cannot be opened")
    refused(settings, options(out, url, pauper, tmp_path / "no.json"), WrongUse, "no readable deployment")


def test_an_account_that_cannot_pay_writes_nothing(settings: Settings, tmp_path: Path, url: str, pauper: Path) -> None:
    refused(settings, options(tmp_path / "run", url, pauper), EnvironmentFailure, "sender's funds")


def test_a_real_account_is_refused_before_a_chain_is_started(
    settings: Settings, tmp_path: Path, pauper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TFEDRS_CHAIN_URL", raising=False)
    for chain in ("auto", "embedded", "anvil", "memory"):
        refused(settings, options(tmp_path / "run", chain, pauper), WrongUse, "--account is for a chain given by URL")


def test_a_rewards_file_that_does_not_fit_the_ledger_writes_nothing(
    settings: Settings, tmp_path: Path, url: str
) -> None:
    """The ledger is new, but somebody's rewards lie beside its contracts."""
    operator = development_account(78, 0)
    save_account(operator, tmp_path / "operator", development=True)
    json_rpc.request(url, "anvil_setBalance", operator.address, hex(10**21))
    contracts = deploy(url, operator.key, challenge_window_seconds=0, treasury_wei=0, minimum_stake_wei=0)
    contracts.save(tmp_path / "contracts.json")
    rewards = tmp_path / "contracts.rewards.json"
    rewards.write_text(json.dumps({"sequence": 3, "cumulative_wei": {}}))
    chosen = options(tmp_path / "run", url, tmp_path / "operator", tmp_path / "contracts.json")
    refused(settings, chosen, WrongUse, "has 0 settlements, but .*contracts.rewards.json, .*, knows 3")
    rewards.write_text("[]")
    refused(settings, chosen, WrongUse, "The rewards in .*contracts.rewards.json cannot be read")
