import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings, flag_of
from common.errors import WrongUse

ROOT = Path(__file__).parents[2]
LAUNCHER_KEYS = {"tensorboard": False, "coordinator-dir": "", "run-dir": "", "chain-url": ""}
ONE_SENTENCE = re.compile(r"^[^\n]+[^.\n]\.$")

OUT_OF_LIMITS = [
    ("model", "svd"),
    ("variant", "svd++"),
    ("pretraining_rounds", -1),
    ("pretraining_rounds", 1001),
    ("warm_start", "gmf"),
    ("warm_start_rounds", -1),
    ("warm_start_rounds", 100_001),
    ("clients", 1),
    ("clients", 100_001),
    ("rounds", 0),
    ("rounds", 100_001),
    ("patience", -1),
    ("patience", 100_001),
    ("target", -0.1),
    ("target", 10_001.0),
    ("keep", "first"),
    ("compression", "zip"),
    ("top_rows", 0.0),
    ("top_rows", 1.1),
    ("seed", -1),
    ("seed", 2**53),
    ("partition", "odd"),
    ("partition_alpha", 0.0),
    ("partition_alpha", 1e7),
    ("factors", 0),
    ("factors", 1025),
    ("alpha0", 0.0),
    ("alpha0", 1e4),
    ("regularisation", 0.0),
    ("regularisation", 1e4),
    ("kappa", 0.0),
    ("kappa", 1e4),
    ("momentum", -0.1),
    ("momentum", 1.0),
    ("loss", "hinge"),
    ("negatives", 0),
    ("negatives", 1025),
    ("row_floor", 0.0),
    ("row_floor", 1e10),
    ("item_optimizer", "sgd"),
    ("network_optimizer", "sgd"),
    ("item_learning_rate", -0.1),
    ("item_learning_rate", 1e7),
    ("network_learning_rate", -0.1),
    ("network_learning_rate", 1e7),
    ("learning_rate_decay", -0.1),
    ("learning_rate_decay", 1e7),
    ("item_regularisation", -0.1),
    ("item_regularisation", 1e7),
    ("mf_regularisation", 0.0),
    ("mf_regularisation", 1e4),
    ("mf_learning_rate", 0.0),
    ("mf_learning_rate", 1e7),
    ("least_rating", -1e7),
    ("least_rating", 1e7),
    ("greatest_rating", -1e7),
    ("greatest_rating", 1e7),
    ("noise", "laplace"),
    ("clipping_norm", 0.0),
    ("clipping_norm", 1e10),
    ("noise_multiplier", 0.0),
    ("noise_multiplier", 1e7),
    ("local_steps", 0),
    ("local_steps", 100_001),
    ("sample_rate", 0.0),
    ("sample_rate", 1.1),
    ("batch_size", 0.0),
    ("batch_size", 1e13),
    ("personalisation", "some"),
    ("personal_steps", 0),
    ("personal_steps", 1001),
    ("personal_rate", 0.0),
    ("personal_rate", 1.1),
    ("personal_prior", 0.0),
    ("personal_prior", 1e10),
    ("personal_gate", "open"),
    ("personal_rounds", 0),
    ("personal_rounds", 1001),
    ("delta", 0.0),
    ("delta", 0.2),
    ("aggregation", "mean"),
    ("consolidation", "mean"),
    ("smoothing", -0.1),
    ("smoothing", 1.0),
    ("defence", "none"),
    ("falling_smoothing", -0.1),
    ("falling_smoothing", 1.0),
    ("reputation_floor", -0.1),
    ("reputation_floor", 1.0),
    ("reward_cap", 0.5),
    ("reward_cap", 1e7),
    ("probe_shards", -1),
    ("probe_shards", 5000),
    ("committee_size", 0),
    ("committee_size", 65),
    ("audit_share", -0.1),
    ("audit_share", 1.1),
    ("volunteer_share", 0.0),
    ("volunteer_share", 1.1),
    ("probe_pairs", 0),
    ("probe_pairs", 100_001),
    ("reward_per_round", -1),
    ("reward_per_round", 10**9 + 1),
    ("participation", 0.0),
    ("participation", 1.1),
    ("quorum", 0.0),
    ("quorum", 1.1),
    ("phase_timeout", 0.0),
    ("phase_timeout", 86_401.0),
]
WRONG_TYPES = [
    ("dataset", 1),
    ("csv_columns", None),
    ("clients", 5.0),
    ("clients", True),
    ("clients", "5"),
    ("alpha0", 1),
    ("alpha0", True),
    ("alpha0", "0.25"),
    ("train_on_validation", 1),
    ("unsafe_single_user", "yes"),
    ("model", b"ials"),
]


def test_the_run_config_of_pyproject_is_the_settings_defaults_and_the_launchers_keys() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    config = pyproject["tool"]["flwr"]["app"]["config"]
    expected = Settings().to_run_config() | LAUNCHER_KEYS
    assert config == expected
    assert {key: type(value) for key, value in config.items()} == {key: type(value) for key, value in expected.items()}


def test_settings_come_back_from_their_run_config() -> None:
    settings = Settings(model="ials", clients=7, alpha0=0.5, train_on_validation=True, dataset="csv:a.csv")
    assert Settings.from_run_config(settings.to_run_config() | LAUNCHER_KEYS) == settings


def test_a_whole_number_is_read_where_a_number_with_a_point_is_meant() -> None:
    settings = Settings.from_run_config({"phase-timeout": 60, "alpha0": 1})
    assert (settings.phase_timeout, settings.alpha0) == (60.0, 1.0)
    assert settings.canonical() == Settings(phase_timeout=60.0, alpha0=1.0).canonical()


def test_canonical_settings_are_the_same_bytes_again_and_differ_with_every_field() -> None:
    base = Settings().canonical()
    assert base == Settings().canonical()
    assert json.loads(base) == Settings().to_run_config()
    changed = [Settings(seed=2), Settings(alpha0=0.3), Settings(dataset="ml-1m"), Settings(train_on_validation=True)]
    assert len({base, *(settings.canonical() for settings in changed)}) == 5


@pytest.mark.parametrize(("name", "value"), OUT_OF_LIMITS)
def test_a_value_out_of_its_limits_is_one_sentence_that_names_the_flag(name: str, value: object) -> None:
    with pytest.raises(WrongUse) as caught:
        Settings(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"--{flag_of(name)} must be ")
    assert ONE_SENTENCE.match(str(caught.value))


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_a_value_of_another_type_is_one_sentence_that_names_the_flag(name: str, value: object) -> None:
    with pytest.raises(WrongUse) as caught:
        Settings(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"--{flag_of(name)} must be ")
    assert ONE_SENTENCE.match(str(caught.value))


@pytest.mark.parametrize(("least", "greatest"), [(5.0, 0.5), (3.0, 3.0)])
def test_a_rating_range_that_is_empty_is_one_sentence_that_names_the_flag(least: float, greatest: float) -> None:
    with pytest.raises(WrongUse, match=r"^--least-rating must be below --greatest-rating") as caught:
        Settings(least_rating=least, greatest_rating=greatest)
    assert ONE_SENTENCE.match(str(caught.value))


@pytest.mark.parametrize("loss", ["bce", "bpr"])
@pytest.mark.parametrize(
    "other",
    [{"noise": "dp-sgd", "model": "ncf", "variant": "gmf", "warm_start_rounds": 0}, {"compression": "top-rows"}],
)
def test_a_sampled_loss_refuses_what_does_not_go_with_it_in_one_sentence(loss: str, other: dict[str, Any]) -> None:
    with pytest.raises(WrongUse, match="--loss") as caught:
        Settings(loss=loss, **other)  # type: ignore[arg-type]
    assert ONE_SENTENCE.match(str(caught.value))


@pytest.mark.parametrize("kind", ["fine-tune", "adapters", "gate", "all"])
def test_personalisation_of_a_model_that_predicts_ratings_is_refused(kind: str) -> None:
    with pytest.raises(WrongUse, match=r"^--personalisation is for models that rank") as caught:
        Settings(model="mf", personalisation=kind)
    assert ONE_SENTENCE.match(str(caught.value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [name for name, default in vars(Settings()).items() if isinstance(default, float)])
def test_a_number_that_is_not_finite_is_refused(name: str, value: float) -> None:
    with pytest.raises(WrongUse, match=f"--{flag_of(name)} must be finite"):
        Settings(**{name: value})  # type: ignore[arg-type]


def test_every_limit_is_tested_on_both_sides() -> None:
    sides = {
        (name, side)
        for name, field in Settings.__dataclass_fields__.items()
        for side in ("choices", "least", "above", "most")
        if side in field.metadata
    }
    assert len(sides) == len(OUT_OF_LIMITS)
    assert {name for name, _ in sides} == {name for name, _ in OUT_OF_LIMITS}


@given(
    st.dictionaries(
        st.sampled_from(sorted(Settings().to_run_config())),
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.just(10**400)
        | st.floats()
        | st.text(max_size=5)
        | st.binary(max_size=3)
        | st.lists(st.integers(), max_size=2),
    )
)
def test_any_run_config_is_settings_or_wrong_use(run_config: dict[str, object]) -> None:
    try:
        settings = Settings.from_run_config(run_config)
    except WrongUse as refused:
        assert str(refused).startswith("--")
    else:
        assert Settings.from_run_config(settings.to_run_config()) == settings


@pytest.mark.parametrize(
    "chosen", [{"model": "ials"}, {"model": "mf"}, {"model": "ncf"}, {"model": "ncf", "warm_start_rounds": 0}]
)
def test_dp_sgd_trains_ncf_from_scratch_only(chosen: dict[str, str]) -> None:
    with pytest.raises(WrongUse, match="add --model ncf --variant gmf --warm-start-rounds 0"):
        Settings(noise="dp-sgd", **chosen)


@pytest.mark.parametrize(
    "other",
    [
        {"model": "ials"},
        {"model": "mf"},
        {"model": "ncf"},
        {"model": "ncf", "variant": "gmf"},
        {"model": "ncf", "variant": "neumf"},
        {"model": "ncf", "variant": "neumf", "noise": "gaussian", "warm_start_rounds": 2},
    ],
)
def test_only_neumf_without_noise_is_joined_from_gmf_and_mlp(other: dict[str, Any]) -> None:
    with pytest.raises(WrongUse, match="--warm-start gmf-mlp") as caught:
        Settings(warm_start="gmf-mlp", **other)  # type: ignore[arg-type]
    assert ONE_SENTENCE.match(str(caught.value))
