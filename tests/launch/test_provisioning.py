"""Provisioning on a chain given by URL, and what is refused before anything is written."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from common.account import load_account, random_account, save_account
from common.data.probe import PROBE_FILE
from common.errors import WrongUse
from contracts.deployment import Deployment
from launch.chain_choice import fund_development_account, open_chain
from launch.commands.machines import provision, renew
from server.chain import ChainLedger
from tests.launch.small_data import COLUMNS, write_small_csv


def write_plan(folder: Path, chain: str) -> Path:
    path = folder / "federation.toml"
    path.write_text(
        f'name = "cinema"\naddress = "fed.example.org"\nchain = "{chain}"\n'
        'participants = ["alice"]\nown_keys = ["carol"]\n'
        f'[settings]\ndataset = "csv:{write_small_csv(folder / "r.csv")}"\ncsv-columns = "{COLUMNS}"\n'
        "factors = 4\nprobe-pairs = 20\n"
    )
    return path


def test_on_a_chain_by_url_the_given_account_pays_and_the_made_ones_are_registered(tmp_path: Path) -> None:
    save_account(random_account(), tmp_path / "payer")
    payer = load_account(tmp_path / "payer")
    with open_chain("embedded", tmp_path / "chain") as endpoint:
        fund_development_account(endpoint, payer.address)
        plan = write_plan(tmp_path, endpoint.url)
        done = provision(plan, tmp_path / "out", tmp_path / "payer", None)
        deployment = Deployment.load(Path(done["coordinator"]) / "deployment.json")
        alice = load_account(Path(done["participants"]["alice"])).address
        assert ChainLedger(endpoint.url, deployment, payer.key).participants() == (alice,)
    federation = json.loads((Path(done["coordinator"]) / "federation.json").read_bytes())
    assert (federation["chain_kind"], federation["development"]) == ("external", False)
    pools = [Path(folder) / PROBE_FILE for folder in (done["coordinator"], *done["participants"].values())]
    assert len({pool.read_bytes() for pool in pools}) == 1
    assert load_account(Path(done["coordinator"])).address == payer.address
    assert not (Path(done["participants"]["carol"]) / "account.json").exists()


def test_renewed_certificates_are_for_the_same_address_and_vouched_for_by_the_new_authority_alone(
    tmp_path: Path,
) -> None:
    coordinator = tmp_path / "coordinator"
    coordinator.mkdir()
    (coordinator / "federation.toml").write_bytes(write_plan(tmp_path, "embedded").read_bytes())
    shown = []
    for _ in range(2):
        authority = renew(coordinator)["authority"]
        server = x509.load_pem_x509_certificate((coordinator / "tls" / "server.pem").read_bytes())
        shown.append((x509.load_pem_x509_certificate(Path(authority).read_bytes()), server))
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["fed.example.org"]
    (before, _), (after, server) = shown
    server.verify_directly_issued_by(after)
    with pytest.raises(InvalidSignature):
        server.verify_directly_issued_by(before)
    with pytest.raises(WrongUse, match="cannot be read"):
        renew(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("chain", "account", "sentence"),
    [
        ("http://127.0.0.1:1", None, "needs an account that pays"),
        ("embedded", "payer", "--account is for a chain given by URL"),
    ],
)
def test_an_account_goes_with_a_chain_by_url_alone(
    tmp_path: Path, chain: str, account: str | None, sentence: str
) -> None:
    with pytest.raises(WrongUse, match=sentence):
        provision(write_plan(tmp_path, chain), tmp_path / "out", tmp_path / account if account else None, None)
    assert not (tmp_path / "out").exists()
