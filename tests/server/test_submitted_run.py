"""A run that is submitted to a prepared federation: what it may choose, and where it writes."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.config import Settings, flag_of
from common.errors import WrongUse
from server.federation import Federation
from server.only_run import only_run
from server.submitted_run import (
    FIXED_BY_PREPARATION,
    choose_run_folder,
    federation_home,
    keep_settings,
    settings_of_run,
)

PREPARED = Settings(clients=3, factors=8, rounds=7, probe_pairs=50)
OTHER: dict[str, Any] = {
    "dataset": "ml-1m",
    "csv_columns": "user=u,item=i",
    "clients": 4,
    "seed": 2,
    "partition": "taste",
    "partition_alpha": 0.1,
    "train_on_validation": True,
    "committee_size": 3,
    "volunteer_share": 0.2,
    "probe_pairs": 60,
    "probe_shards": 3,
}


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    folder = tmp_path / "coordinator"
    folder.mkdir()
    return Federation(150, bytes(32), (bytes(32),), {"a.csv": "00"}, PREPARED, "memory", folder, True)


def submit(federation: Federation, run: str = "runs/1", **told: object) -> Settings:
    """What a run gets that was told these keys, over the defaults that the app declares."""
    overrides = {flag_of(name): value for name, value in told.items()}
    run_config = Settings().to_run_config() | overrides | {"run-dir": run}
    return settings_of_run(federation, choose_run_folder(federation, run), run_config, overrides)


def test_a_run_that_is_told_nothing_has_the_settings_of_the_federation(federation: Federation) -> None:
    assert submit(federation) == PREPARED


def test_a_run_chooses_what_does_not_touch_the_data(federation: Federation) -> None:
    assert submit(federation, rounds=3, model="ncf", alpha0=1) == replace(PREPARED, rounds=3, model="ncf", alpha0=1.0)


def test_a_value_that_equals_the_apps_default_is_still_a_choice(federation: Federation) -> None:
    assert submit(federation, rounds=Settings().rounds).rounds == Settings().rounds != PREPARED.rounds


def test_a_default_that_was_changed_in_pyproject_is_a_choice(federation: Federation) -> None:
    run_config = Settings(rounds=9).to_run_config()
    assert settings_of_run(federation, Path("runs/1"), run_config, ()).rounds == 9


@pytest.mark.parametrize("name", FIXED_BY_PREPARATION)
def test_what_the_data_were_cut_by_cannot_be_chosen_again(federation: Federation, name: str) -> None:
    prepared = getattr(PREPARED, name)
    assert submit(federation, **{name: prepared}) == PREPARED
    with pytest.raises(WrongUse) as caught:
        submit(federation, **{name: OTHER[name]})
    assert str(caught.value) == (
        f"--{flag_of(name)} is {OTHER[name]!r}, but the data of this federation were cut with {prepared!r}; leave "
        f"{flag_of(name)} out of the run config, or prepare another federation with `tfedrs run --hold`."
    )


def test_mf_needs_a_federation_whose_ratings_were_looked_at(federation: Federation) -> None:
    with pytest.raises(
        WrongUse, match=r"^--model is 'mf', but .* not looked at when it was prepared; .* --model mf`\.$"
    ):
        submit(federation, model="mf")
    rated = replace(federation, prepared_with=replace(PREPARED, model="mf", greatest_rating=4.0))
    assert submit(rated).model == "mf"
    assert submit(rated, model="ncf").model == "ncf"
    with pytest.raises(WrongUse, match=r"^--greatest-rating is 10\.0, but .* were checked against 4\.0; leave "):
        submit(rated, greatest_rating=10.0)


def test_a_resumed_run_goes_on_with_the_settings_it_was_begun_with(federation: Federation) -> None:
    folder = choose_run_folder(federation, "")
    begun = submit(federation, rounds=3, factors=16)
    keep_settings(federation, folder, begun)
    keep_settings(federation, folder, PREPARED)  # the second start of the run
    assert submit(federation, "runs/1") == begun
    assert submit(federation, "runs/2") == PREPARED
    assert tomllib.loads((folder / "config.toml").read_text())["data_sha256"] == {"a.csv": "00"}


def test_settings_that_cannot_be_read_are_one_sentence(federation: Federation) -> None:
    folder = choose_run_folder(federation, "")
    folder.mkdir(parents=True)
    for content in ("[settings", "", "settings = 1"):
        (folder / "config.toml").write_text(content)
        with pytest.raises(WrongUse, match=r"config\.toml cannot be read .*; restore it, or start a new run\.$"):
            submit(federation)


def test_runs_are_numbered_and_a_named_folder_is_taken_from_the_federations(federation: Federation) -> None:
    home = federation.folder.parent
    assert choose_run_folder(federation, "") == home / "runs" / "1"
    for name in ("1", "10", "9", "notes"):
        (home / "runs" / name).mkdir(parents=True)
    assert choose_run_folder(federation, "") == home / "runs" / "11"
    assert choose_run_folder(federation, "runs/9") == home / "runs" / "9"
    assert choose_run_folder(federation, "/elsewhere") == Path("/elsewhere")


def test_the_runs_of_a_federation_find_its_home_and_other_runs_are_their_own(federation: Federation) -> None:
    home = federation.folder.parent
    run = choose_run_folder(federation, "")
    run.mkdir(parents=True)
    assert federation_home(run) == home
    assert federation_home(home) == home
    assert federation_home(Path("nowhere")) == Path("nowhere")


def test_a_second_run_at_the_same_time_is_refused_and_a_later_one_is_not(federation: Federation) -> None:
    refused = pytest.raises(WrongUse, match=r"^Another run of this federation goes on; wait for its end, ")
    with only_run(federation.folder), refused, only_run(federation.folder):
        pass
    with only_run(federation.folder):
        pass
