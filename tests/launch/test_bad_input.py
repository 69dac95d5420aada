"""Whatever is wrong with the input: one sentence, exit code 2 or 3, and nothing written."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.account import PASSPHRASE_FILE, development_account, save_account
from common.device import resolved
from contracts.deployment import Deployment
from launch.chain_choice import open_chain
from launch.cli import main
from launch.processes import free_ports
from tests.launch.small_data import COLUMNS, write_small_csv

Fails = Callable[..., str]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the content of files."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run a command that must fail with an exit code; return the one sentence that it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TFEDRS_CHAIN_URL", raising=False)
    monkeypatch.delenv("TFEDRS_DATA", raising=False)

    def run(*arguments: str, exit_code: int = 2) -> str:
        before = tree(tmp_path)
        code = main(arguments)
        out, err = capsys.readouterr()
        assert tree(tmp_path) == before, "something was written"
        assert (code, out) == (exit_code, ""), err
        assert err.startswith("tfedrs: ")
        assert err.endswith(".\n")
        assert err.count("\n") == 1
        sentence = err.removeprefix("tfedrs: ").removesuffix("\n")
        assert "Traceback" not in sentence
        assert "This should not happen" not in sentence
        first_word = sentence.split()[0]
        assert sentence[0].isupper() or not first_word.isalpha()
        return sentence

    return run


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return write_small_csv(tmp_path / "ratings.csv")


@pytest.fixture
def payer(tmp_path: Path) -> Path:
    save_account(development_account(9, 0), tmp_path / "payer", development=True)
    return tmp_path / "payer"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_chain("embedded", tmp_path_factory.mktemp("chain")) as endpoint:
        yield endpoint.url


def deployment(chain_id: int) -> Deployment:
    return Deployment(chain_id, *("0x" + 40 * digit for digit in "123"), block_number=1)


def small(csv: Path, *more: str) -> tuple[str, ...]:
    flags = ("--dataset", f"csv:{csv}", "--csv-columns", COLUMNS, "--clients", "3", "--probe-pairs", "20")
    return ("simulate", *flags, "--chain", "memory", *more)


# --- settings


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--clients", "1"], "--clients must be at least 2, not 1."),
        (["--clients", "-3"], "--clients must be at least 2, not -3."),
        (["--rounds", "0"], "--rounds must be at least 1, not 0."),
        (["--model", "magic"], "--model must be one of ials, ncf, mf, not 'magic'."),
        (["--partition", "fair"], "--partition must be one of even, amount, taste, single-user, not 'fair'."),
        (
            ["--aggregation", "mean"],
            "--aggregation must be one of reputation, fedavg, median, trimmed-mean, norm-clipping, krum, multi-krum, "
            "not 'mean'.",
        ),
        (["--alpha0", "nan"], "--alpha0 must be finite, not nan."),
        (["--kappa", "inf"], "--kappa must be finite, not inf."),
        (["--quorum", "0"], "--quorum must be above 0.0, not 0.0."),
        (["--smoothing", "1"], "--smoothing must be at most 0.999, not 1.0."),
        (["--seed", "-1"], "--seed must be at least 0, not -1."),
        (["--rounds", "many"], "Argument --rounds: invalid int value: 'many'; see `tfedrs {} --help`."),
        (["--rounds", "2.5"], "Argument --rounds: invalid int value: '2.5'; see `tfedrs {} --help`."),
        (["--kappa", "two"], "Argument --kappa: invalid float value: 'two'; see `tfedrs {} --help`."),
        (["--rounds"], "Argument --rounds: expected one argument; see `tfedrs {} --help`."),
    ],
)
@pytest.mark.parametrize("command", ["run", "simulate"])
def test_a_setting_out_of_its_limits(command: str, flags: list[str], words: str, fails: Fails) -> None:
    assert fails(command, *flags) == words.format(command)


def test_an_unknown_flag_or_command(fails: Fails) -> None:
    assert "--privacy" in fails("run", "--privacy", "1")
    assert "'train' (choose from 'run', 'simulate', " in fails("train")
    assert fails() == "The following arguments are required: COMMAND; see `tfedrs --help`."


def test_what_only_one_command_can_do(fails: Fails) -> None:
    assert fails("run", "--chain", "memory").startswith("The memory ledger lives in one process; ")
    assert "--hold" in fails("simulate", "--hold")
    assert fails("run", "--hold", "--json").startswith("A federation that is held has no report of its own; ")
    assert fails("run", "--hold", "--tensorboard").endswith('add -c "tensorboard=true" to `flwr run`.')


@pytest.mark.skipif(resolved("auto") == "cuda", reason="this machine has what the test must lack")
@pytest.mark.parametrize("command", [("run",), ("run", "--hold"), ("simulate",), ("participate", "folder")])
def test_a_device_that_is_not_there(command: tuple[str, ...], fails: Fails) -> None:
    said = fails(*command, "--device", "cuda")
    assert said == "Torch sees no CUDA device on this machine: choose --device auto or cpu."
    assert "choose from 'auto', 'cpu', 'cuda'" in fails(*command, "--device", "tpu")


# --- data


def test_a_data_set_that_is_not_there(tmp_path: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fails("simulate", "--dataset", "netflix").startswith("There is no data set 'netflix': choose one of ")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable, root in (("", tmp_path / "cache" / "tfedrs" / "data"), (str(tmp_path), tmp_path)):
        monkeypatch.setenv("TFEDRS_DATA", variable)
        assert fails("simulate", "--dataset", "ml-1m") == (
            f"ml-1m is not in {root / 'ml-1m'} (ratings.rebuilt.dat or ratings.dat; plain, .gz or .xz): run `tfedrs "
            "data fetch ml-1m`, or set TFEDRS_DATA to the folder that holds ml-1m/."
        )


def test_a_csv_that_is_not_there_or_has_other_columns(csv: Path, fails: Fails) -> None:
    missing = csv.with_name("missing.csv")
    assert fails(*small(missing)) == f"There is no file {missing}: check the path after 'csv:'."
    assert "--csv-columns" in fails("simulate", "--dataset", f"csv:{csv}")
    assert "write it like" in fails("simulate", "--dataset", f"csv:{csv}", "--csv-columns", "userId,movieId")
    assert "names no user or no item" in fails("simulate", "--dataset", f"csv:{csv}", "--csv-columns", "user=user")
    assert "'movie'" in fails("simulate", "--dataset", f"csv:{csv}", "--csv-columns", "user=user,item=movie")
    assert "has no meaning for" in fails("simulate", "--csv-columns", COLUMNS)


def test_ratings_that_mf_cannot_learn(csv: Path, fails: Fails) -> None:
    use = (*small(csv), "--model", "mf")
    assert fails(*use, "--least-rating", "2.0").endswith("has a rating of 1, below 2: set --least-rating.")
    assert fails(*use, "--greatest-rating", "4.5").endswith("has a rating of 5, above 4.5: set --greatest-rating.")
    assert fails(*use, "--least-rating", "5.0").startswith("--least-rating must be below --greatest-rating")
    unrated = ("simulate", "--dataset", f"csv:{csv}", "--csv-columns", "user=user,item=item", "--model", "mf")
    assert fails(*unrated).endswith("has no ratings for mf to learn: choose --model ials or --model ncf.")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("u1,i1", "expected 4 fields"),
        ("u1,i1,good,5", "expected a finite number as the rating, found 'good'"),
        ("u1,i1,nan,5", "expected a finite number as the rating, found 'nan'"),
        ("u1,i1,3,yesterday", "expected seconds since 1970 as the timestamp"),
        (",i1,3,5", "expected an id"),
    ],
)
def test_a_malformed_line_is_named_with_its_number(line: str, expected: str, csv: Path, fails: Fails) -> None:
    lines = csv.read_text().splitlines()
    lines.insert(41, line)
    csv.write_text("\n".join(lines) + "\n")
    assert fails(*small(csv)).startswith(f"{csv}, line 42: {expected}")


def test_an_empty_or_binary_csv(csv: Path, fails: Fails) -> None:
    csv.write_text("user,item,stars,when\n")
    assert "no line after its header" in fails(*small(csv))
    csv.write_bytes(b"user,item,stars,when\n\xff\xfe,1,1,1\n")
    assert f"{csv}, line 2" in fails(*small(csv))
    csv.write_text("")
    assert f"{csv}, line 1" in fails(*small(csv))


def test_too_few_users_items_or_probe_pairs(tmp_path: Path, csv: Path, fails: Fails) -> None:
    assert "has 24 users, too few for 30 clients" in fails(*small(csv, "--clients", "30"))
    assert "probe pairs, too few" in fails(*small(csv, "--probe-pairs", "5000"))
    few = tmp_path / "few.csv"
    few.write_text("user,item,stars,when\n" + "".join(f"u{n % 9},i{n % 5},3,{n}\n" for n in range(45)))
    assert "use a data set with more items" in fails(*small(few))


def test_a_client_with_one_user_needs_consent(csv: Path, fails: Fails) -> None:
    assert "--unsafe-single-user" in fails(*small(csv, "--clients", "24", "--partition", "single-user"))
    assert "--unsafe-single-user" in fails(*small(csv, "--clients", "24"))
    assert "set --clients 24" in fails(*small(csv, "--clients", "5", "--partition", "single-user"))
    assert "has no genres to tell tastes by" in fails(*small(csv, "--partition", "taste"))


# --- where to write


def test_an_output_that_cannot_be_written(tmp_path: Path, csv: Path, fails: Fails) -> None:
    assert fails(*small(csv, "--out", f"{csv}/run")).startswith(f"{csv} is a file, so nothing can be written below it")
    assert fails(*small(csv, "--out", str(csv))).startswith(f"{csv} is a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("the only copy")
    assert fails(*small(csv, "--out", "full")) == (
        f"{tmp_path / 'full'} is not empty; choose another folder with --out."
    )
    assert fails(*small(csv, "--out", "/proc/run"), exit_code=3).startswith("The system refuses to go on (")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_the_right_to_write(tmp_path: Path, csv: Path, fails: Fails) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written by this user" in fails(*small(csv, "--out", "locked/run"))


# --- the chain and who pays


@pytest.mark.parametrize("chain", ["ganache", "ftp://127.0.0.1:8545", "http://", "http://127.0.0.1:99999"])
@pytest.mark.parametrize("command", ["run", "simulate"])
def test_a_chain_that_is_none(command: str, chain: str, csv: Path, payer: Path, fails: Fails) -> None:
    flags = small(csv)[1:-2]
    assert repr(chain) in fails(command, *flags, "--chain", chain, "--account", str(payer))
    assert repr(chain) in fails("deploy", "--chain", chain, "--account", str(payer))


def test_a_chain_that_does_not_answer(csv: Path, payer: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    expected = f"The chain at {dead} does not answer; start its node, or name another with --chain."
    who = ("--account", str(payer))
    assert fails("simulate", *small(csv)[1:-2], "--chain", dead, *who, exit_code=3) == expected
    assert fails("deploy", "--chain", dead, *who, exit_code=3) == expected
    monkeypatch.setenv("TFEDRS_CHAIN_URL", dead)
    assert fails("run", *small(csv)[1:-2], *who, exit_code=3) == expected


def test_contracts_of_another_chain_or_none(tmp_path: Path, csv: Path, payer: Path, url: str, fails: Fails) -> None:
    path = tmp_path / "contracts.json"
    use = ("simulate", *small(csv)[1:-2], "--chain", url, "--account", str(payer), "--deployment", "contracts.json")
    assert "contracts.json is no readable deployment" in fails(*use)
    path.write_text("[]")
    assert "contracts.json is no readable deployment" in fails(*use)
    deployment(5).save(path)
    assert fails(*use) == (
        f"The chain at {url} has id 31337, but the contracts were deployed on chain 5; "
        "give that chain's URL, or deploy on this one."
    )
    deployment(31337).save(path)
    assert f"The chain at {url} has no RewardToken at 0x1111" in fails(*use, exit_code=3)


def test_an_account_that_cannot_pay(csv: Path, payer: Path, url: str, fails: Fails) -> None:
    assert "sender's funds" in fails(
        "simulate", *small(csv)[1:-2], "--chain", url, "--account", str(payer), exit_code=3
    )
    assert "sender's funds" in fails("deploy", "--chain", url, "--account", str(payer), exit_code=3)


def test_an_account_that_cannot_be_opened(tmp_path: Path, csv: Path, payer: Path, url: str, fails: Fails) -> None:
    use = ("simulate", *small(csv)[1:-2], "--chain", url)
    assert "needs an account that pays for gas" in fails(*use)
    assert fails(*use, "--account", "nobody").startswith("The account in nobody cannot be opened (")
    (payer / PASSPHRASE_FILE).write_text("00" * 32)
    for command in (use, ("deploy", "--chain", url), ("claim", "--run", str(tmp_path))):
        assert fails(*command, "--account", str(payer)) == (
            f"The account in {payer} cannot be opened (the passphrase does not open it); "
            "restore account.json and account.pass."
        )
    (payer / "account.json").write_text("{}")
    assert "cannot be opened" in fails(*use, "--account", str(payer))


@pytest.mark.parametrize("chain", ["auto", "embedded", "memory"])
def test_a_chain_started_here_sees_no_real_account_and_no_old_contracts(
    chain: str, csv: Path, payer: Path, fails: Fails
) -> None:
    use = ("simulate", *small(csv)[1:-2], "--chain", chain)
    assert fails(*use, "--account", str(payer)).startswith("--account is for a chain given by URL; leave it out")
    assert fails(*use, "--deployment", "x.json").startswith("--deployment is for a chain given by URL; leave it out")


# --- deploy, account, claim


def test_deploy_spends_nothing_before_its_flags_are_right(payer: Path, url: str, fails: Fails) -> None:
    use = ("deploy", "--chain", url, "--account", str(payer))
    assert fails(*use, "--out", "payer/account.json") == (
        "The file payer/account.json exists already; choose another one with --out."
    )
    assert "is a file, so nothing can be written below it" in fails(*use, "--out", "payer/account.json/x.json")
    assert fails(*use, "--treasury", "-1") == "--treasury must be from 0 to 1000000000, not -1."
    assert fails(*use, "--treasury", str(10**9 + 1)).startswith("--treasury must be from 0 to 1000000000, not ")
    assert fails(*use, "--challenge-window", "-1").startswith("--challenge-window must be from 0 to ")
    assert "required: --chain, --account" in fails("deploy")


def test_an_account_is_never_overwritten(payer: Path, fails: Fails) -> None:
    assert fails("account", "payer") == "The folder payer holds an account already; choose another one."
    assert "is a file" in fails("account", "payer/account.json/x")


def test_claims_that_cannot_be(
    tmp_path: Path, csv: Path, payer: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*small(csv), "--rounds", "1", "--out", "run", "--json"]) == 0
    capsys.readouterr()
    use = ("claim", "--run", "run", "--account", "run/participants/client-01")
    assert fails("claim", "--run", "nowhere", *use[3:]) == (
        "There is no settled round in nowhere; give the folder of a run with --run."
    )
    assert fails(*use).startswith("The ledger of run was kept in memory and is gone; ")
    deployment(31337).save(tmp_path / "run" / "coordinator" / "deployment.json")
    assert fails("claim", "--run", "run", "--account", str(payer)).startswith("Account 0x")
    assert fails(*use).startswith("The chain of run was not started by that run; name it with --chain")
    (tmp_path / "run" / "evidence" / "round-0001.json").write_text("{")
    assert fails(*use).startswith("The evidence in run/evidence/round-0001.json cannot be read (")


def test_a_failure_says_nothing_on_stdout_even_with_json(csv: Path, fails: Fails) -> None:
    assert "too few for 30 clients" in fails(*small(csv, "--clients", "30", "--json"))
