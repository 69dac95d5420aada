"""What is learnt for a client's own users: from its training items, beside the global model, and kept in its folder."""

import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client import training
from client.personalisation import Personal, beside, personalise
from client.state import ClientState, run_name
from client.store import ParticipantFolder
from client.training import measure, train
from common.config import PERSONALISATIONS, Settings
from common.data.array_file import load_arrays, save_arrays
from common.errors import EnvironmentFailure, WrongUse
from common.evaluation import evaluate
from common.models import Arrays, model_of
from common.models.warm_start import Turn, WarmStart
from common.seeding import generator
from common.update import Packed, decode_model, encode_model, object_name
from common.wire import RoundTask
from tests.small_federation import ITEMS, SETTINGS

NODE = 3
KINDS = PERSONALISATIONS[1:]
FAMILIES = {
    "ials": {},
    "fused": {"model": "ncf", "variant": "fused"},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "neumf": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0},
    "warm start": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 1},
    "joined": {"model": "ncf", "variant": "neumf", "warm_start": "gmf-mlp", "warm_start_rounds": 1},
    "dp-sgd": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "noise": "dp-sgd"},
}


def settings_of(family: str, **changed: object) -> Settings:
    return replace(SETTINGS, **FAMILIES[family], **changed)


def initial(settings: Settings) -> Arrays:
    return model_of(settings).initial_state(ITEMS, generator(1, "initial-model"))


def asking_for(task: RoundTask, kind: str, **changed: object) -> RoundTask:
    return replace(task, settings=replace(task.settings, personalisation=kind, **changed))


def kept(folder: ParticipantFolder) -> tuple[str, Personal]:
    found = folder.personal()
    assert found is not None
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_works_for_every_model_that_ranks(kind: str, family: str, folder: ParticipantFolder) -> None:
    settings, own = settings_of(family, personalisation=kind), folder.part.train
    model, state = model_of(settings), initial(settings)
    before = {name: array.copy() for name, array in state.items()}
    personal = personalise(settings, model, state, own, 3)
    assert personal is not None
    assert all(np.array_equal(before[name], array) for name, array in state.items())
    assert 0 <= personal.alpha <= 1
    vectors = model.fold_in(state, own)
    scores = personal.predictor(settings, model, state, vectors.shape[1]).scores({}, beside(vectors, personal))
    assert scores.shape == (own.user_count, ITEMS)
    assert np.isfinite(scores).all()
    again = personalise(settings, model, state, own, 3)
    assert again is not None
    assert again.local_vectors.tobytes() == personal.local_vectors.tobytes()


@pytest.mark.parametrize("family", ["warm start", "joined"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_last_model_of_a_warm_start_is_personal_as_what_its_users_see(
    kind: str, family: str, folder: ParticipantFolder
) -> None:
    """As the first phase's, to the byte: that the updates made from it are NCF's is nothing to users yet."""
    settings, own = settings_of(family, personalisation=kind), folder.part.train
    model, state = model_of(settings), initial(settings)
    assert isinstance(model, WarmStart)
    state = model.apply(state, model.fuse([model.local_step(state, own)[0]], [1.0]))
    assert isinstance(model.at(state), Turn)
    personal, alone = (personalise(settings, each, state, own, 3) for each in (model, model.first))
    assert personal is not None
    assert alone is not None
    assert personal.local_vectors.tobytes() == alone.local_vectors.tobytes()
    vectors = model.fold_in(state, own)
    scores, expected = (
        each.predictor(settings, of, state, vectors.shape[1]).scores({}, beside(vectors, each))
        for each, of in ((personal, model), (alone, model.first))
    )
    assert scores.tobytes() == expected.tobytes()


@pytest.mark.parametrize("family", ["ials", "fused", "gmf", "neumf"])
@pytest.mark.parametrize("kind", ["fine-tune", "adapters", "all"])
def test_items_that_nobody_met_stay_and_others_move(kind: str, family: str, folder: ParticipantFolder) -> None:
    settings, own = settings_of(family, personalisation=kind), folder.part.train
    state = initial(settings)
    personal = personalise(settings, model_of(settings), state, own, 1)
    assert personal is not None
    met = np.unique(own.items)
    assert 0 < len(met) < ITEMS
    for name in [name for name in state if name.endswith("item_factors") and "_of_" not in name]:
        moved = (personal.local_state[name] != state[name]).any(axis=1)
        assert moved[met].all()
        assert moved.sum() == len(met)


def test_adapters_shrink_to_nothing_as_their_prior_grows(folder: ParticipantFolder) -> None:
    lengths = []
    for prior in (1.0, 30.0, 1e9):
        settings = settings_of("ials", personalisation="adapters", personal_prior=prior)
        state = initial(settings)
        personal = personalise(settings, model_of(settings), state, folder.part.train, 1)
        assert personal is not None
        lengths.append(float(np.abs(personal.local_state["item_factors"] - state["item_factors"]).max()))
    assert lengths[0] > lengths[1] > 1e3 * lengths[2]


def test_an_own_model_knows_nothing_of_the_federations(folder: ParticipantFolder) -> None:
    settings = settings_of("ials", personalisation="gate")
    model, state = model_of(settings), initial(settings)
    other = {name: array + np.float32(0.1) for name, array in state.items()}
    one, two = (personalise(settings, model, each, folder.part.train, 1) for each in (state, other))
    assert one is not None
    assert two is not None
    assert one.local_vectors.tobytes() == two.local_vectors.tobytes()


def test_a_scheduled_gate_goes_by_the_rounds_played(task: RoundTask, folder: ParticipantFolder) -> None:
    scheduled = asking_for(task, "gate", personal_gate="scheduled")
    train(scheduled, NODE, folder)
    assert kept(folder)[1].alpha == 0  # of the model before the first round
    measure(scheduled, folder)
    assert kept(folder)[1].alpha == 0.5  # of the model after it


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", ["none", "gaussian"])
def test_the_update_is_byte_for_byte_the_one_without_personalisation(
    kind: str, noise: str, task: RoundTask, folder: ParticipantFolder
) -> None:
    plain = replace(
        task, settings=replace(task.settings, noise=noise, insecure_deterministic_noise=True, compression="int8")
    )
    first = train(plain, NODE, folder)
    second = train(replace(asking_for(plain, kind), run_id=bytes(32)), NODE, folder)
    assert second.update_bytes == first.update_bytes
    assert {name: second.metrics[name] for name in first.metrics} == first.metrics


def test_figures_are_those_of_what_the_users_see(task: RoundTask, folder: ParticipantFolder) -> None:
    asked, part = asking_for(task, "adapters"), folder.part
    figures = train(asked, NODE, folder).metrics
    model, state = model_of(asked.settings), decode_model(asked.model_bytes).arrays
    _, personal = kept(folder)
    seen = evaluate(
        model, personal.local_state, personal.local_vectors, part.seen, part.test, part.candidates, part.validation
    )
    plain = model.fold_in(state, part.train)
    unseen = evaluate(model, state, plain, part.seen, part.test, part.candidates, part.validation)
    assert seen.metrics != unseen.metrics
    for name, value in seen.metrics.items():
        assert figures[f"test_personal_{name}"] == value
        assert figures[f"test_{name}"] == unseen.metrics[name]
    assert {name for name in figures if name.startswith("validation_personal_")} == {
        f"validation_personal_{name}" for name in seen.metrics
    }


def test_nothing_is_told_where_metrics_are_withheld_and_nothing_learnt_where_nothing_is_asked(
    task: RoundTask, folder: ParticipantFolder
) -> None:
    assert not any("personal" in name for name in train(task, NODE, folder).metrics)
    assert folder.personal() is None
    withheld = replace(asking_for(task, "all", withhold_metrics=True), server_round=2)
    assert train(withheld, NODE, folder).metrics == {}
    assert kept(folder)[1].kind == "all"


def test_what_was_learnt_is_private_and_learnt_anew_for_a_new_model(task: RoundTask, folder: ParticipantFolder) -> None:
    asked = asking_for(task, "all")
    train(asked, NODE, folder)
    name, first = kept(folder)
    assert name == object_name(task.model_bytes)
    assert stat.S_IMODE((folder.path / "personal.npz").stat().st_mode) == 0o600
    packed = decode_model(task.model_bytes)
    arrays = packed.arrays | {"item_factors": packed.arrays["item_factors"] + np.float32(0.1)}
    later = encode_model(Packed(packed.model, packed.rows, arrays))
    train(replace(asked, server_round=2, model_bytes=later), NODE, folder)
    name, second = kept(ParticipantFolder(folder.path))
    assert name == object_name(later)
    assert second.local_vectors.tobytes() != first.local_vectors.tobytes()
    vectors = folder.user_vectors()
    assert vectors is not None
    assert vectors.model == name


def test_it_comes_back_from_the_folder_as_it_was(
    task: RoundTask, folder: ParticipantFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = []
    monkeypatch.setattr(training, "personalise", lambda *given: learnt.append(personalise(*given)) or learnt[-1])
    train(asking_for(task, "gate"), NODE, folder)
    _, personal = kept(folder)
    assert (personal.kind, personal.alpha) == (learnt[0].kind, learnt[0].alpha)
    assert personal.local_vectors.tobytes() == learnt[0].local_vectors.tobytes()
    assert {name: array.tobytes() for name, array in personal.local_state.items()} == {
        name: array.tobytes() for name, array in learnt[0].local_state.items()
    }


def test_a_round_whose_learning_cannot_be_kept_is_answered_later(
    task: RoundTask, folder: ParticipantFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise EnvironmentFailure("personal.npz cannot be written")

    asked = asking_for(task, "gate")
    monkeypatch.setattr("client.store.save_personal", refuse)
    with pytest.raises(EnvironmentFailure):
        train(asked, NODE, folder)
    assert not (folder.path / "state.json").exists()
    monkeypatch.undo()
    train(asked, NODE, folder)
    assert kept(folder)[0] == object_name(task.model_bytes)


def test_a_folder_of_the_oldest_format_learns_and_what_a_kill_left_goes(
    task: RoundTask, folder: ParticipantFolder
) -> None:
    shutil.copytree(Path(__file__).parents[1] / "format_0", folder.path, dirs_exist_ok=True)
    left = folder.path / ".personal.npz.0123abcd"
    left.write_bytes(b"half")
    assert folder.personal() is None
    train(replace(asking_for(task, "gate"), server_round=3), NODE, folder)
    assert kept(folder)[0] == object_name(task.model_bytes)
    assert ClientState.load(folder.path).answered[run_name(task.run_id)] == 3
    assert not left.exists()


def test_a_file_that_cannot_be_right_is_one_sentence(task: RoundTask, folder: ParticipantFolder) -> None:
    train(asking_for(task, "fine-tune"), NODE, folder)
    path = folder.path / "personal.npz"
    good = load_arrays(path)
    users, length = good["vectors"].shape
    for wrong in (
        {"vectors": np.zeros((users + 1, length), np.float32)},
        {"vectors": np.zeros((users, length))},
        {"vectors": np.full((users, length), np.nan, np.float32)},
        {"alpha": np.array(1.5)},
        {"alpha": np.array(np.nan)},
        {"alpha": np.array(1)},
        {"alpha": np.array([0.5])},
        {"kind": np.array("none")},
        {"model": np.array("W_3")},
        {"state/item_factors": np.full((ITEMS, length), np.inf, np.float32)},
        {"state/item_factors": np.zeros(ITEMS, np.float32)},
        {"state/item_factors": np.zeros((ITEMS, length))},
    ):
        save_arrays(path, good | wrong)
        with pytest.raises(WrongUse, match=r"cannot be read .*; remove it, the next round writes it again"):
            folder.personal()
    for name in ("vectors", "alpha", "state/item_factors"):
        save_arrays(path, {other: array for other, array in good.items() if other != name})
        with pytest.raises(WrongUse, match="cannot be read"):
            folder.personal()
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(WrongUse, match="cannot be read"):
        folder.personal()
