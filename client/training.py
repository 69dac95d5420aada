"""A client's part of a round: measure the model that came, make the update, commit and sign."""

from collections.abc import Callable
from dataclasses import replace

from client.compression import compress
from client.local_update import local_update, noise_generator
from client.personalisation import Personal, beside, personalise
from client.store import ParticipantFolder
from common.commitment import commitment_message, commitment_of, commitment_salt, node_binding_message, sign
from common.compression import expand
from common.config import Settings
from common.data.client_part import ClientPart
from common.errors import Rejected
from common.evaluation import evaluate
from common.models import Arrays, FloatArray, Model, model_of
from common.models.on_device import on_device
from common.rating_metrics import rating_errors
from common.seeding import generator
from common.update import Packed, decode_model, encode_update, object_name
from common.update_check import check_update
from common.wire import RoundTask, TrainReply

LocalStep = Callable[[RoundTask, Model, Arrays, ParticipantFolder], tuple[Arrays, FloatArray]]
"""What a client computes in a round, from the task, the model on its device, the state and its folder: the update, and
the users' vectors, which stay at the client."""


def honest_step(task: RoundTask, model: Model, state: Arrays, folder: ParticipantFolder) -> tuple[Arrays, FloatArray]:
    """Train on the folder's users, see `client.local_update`."""
    entropy = noise_generator(task.settings, folder.account.address, task.server_round)
    fitted = folder.fitted_users(task.model_bytes)
    return local_update(task.settings, model, state, folder.part.train, entropy, fitted)


def train(
    task: RoundTask,
    node_id: int,
    folder: ParticipantFolder,
    device: str = "cpu",
    local_step: LocalStep = honest_step,
) -> TrainReply:
    """Answer a ``train`` message; asked again for the same round and model, with the same bytes.

    Only the binding of the node is signed anew: after its SuperLink has started again, a node has another id.

    Args:
        task: What is asked.
        node_id: Flower's, of this node.
        folder: The participant's.
        device: Where to train, see `common.device`; all else is computed on the processor.
        local_step: What makes the update; whatever it is, the rest of the reply is the protocol's.

    Raises:
        Rejected: the model is not one that this client can train.
        WrongUse: a file of the folder is missing or damaged, the round was answered for another model, or the device
            is not there.
        EnvironmentFailure: the disk refuses to keep the reply, so it is not sent.
    """
    account = folder.account
    binding = sign(node_binding_message(task.domain, task.run_id, account.address, node_id), account.key)
    with folder.answering():
        saved = folder.saved_reply(task.run_id, task.server_round, task.model_bytes)
        if saved:
            return replace(saved, node_binding_signature=binding)
        return _new_reply(task, binding, folder, device, local_step)


def _new_reply(
    task: RoundTask, binding: bytes, folder: ParticipantFolder, device: str, local_step: LocalStep
) -> TrainReply:
    """Train, and keep the signed reply before it is sent."""
    account = folder.account
    model = model_of(task.settings)
    state = received_state(task, model, folder)
    settings = task.settings
    update, user_vectors = local_step(task, on_device(model, state, device), state, folder)
    personal = personalise(settings, model, state, folder.part.train, task.server_round - 1)
    forms, unsent = _compressed(task, model.at(state), update, folder)
    update_bytes = encode_update(Packed(model.at(state).name, folder.part.train.item_count, forms))
    salt = commitment_salt(account.key, task.run_id, task.server_round)
    commitment = commitment_of(task.run_id, task.server_round, account.address, object_name(update_bytes), salt)
    signed = commitment_message(task.domain, task.run_id, task.server_round, commitment)
    reply = TrainReply(
        account=account.address,
        update_bytes=update_bytes,
        commitment=commitment,
        salt=salt,
        commitment_signature=sign(signed, account.key),
        node_binding_signature=binding,
        metrics={} if settings.withhold_metrics else _figures(settings, model, state, user_vectors, personal, folder),
    )
    _keep_for_users(task, user_vectors, personal, folder)
    folder.save_reply(task.run_id, task.server_round, task.model_bytes, reply, update, unsent)
    return reply


def _compressed(task: RoundTask, model: Model, update: Arrays, folder: ParticipantFolder) -> tuple[Arrays, Arrays]:
    """Return the arrays that travel, and what is left for later rounds.

    What earlier rounds left is added, unless the sum is more than an update may be: then it is dropped.
    """
    settings, item_count = task.settings, folder.part.train.item_count
    # of the content, and not of the account: on another chain, with other accounts, a run makes the same models
    purpose = f"rounding/{object_name(encode_update(Packed(model.name, item_count, update)))}"

    def compressed(carried: dict[str, FloatArray]) -> tuple[Arrays, Arrays]:
        rng = generator(settings.seed, purpose, task.server_round)
        return compress(update, settings.compression, settings.top_rows, rng, carried)

    if carried := folder.carried_rows(task.run_id, task.server_round, update):
        forms, unsent = compressed(carried)
        try:
            arrays = expand(Packed(model.name, item_count, forms), settings.compression)
            check_update(settings, model, arrays, item_count)
        except Rejected:
            pass
        else:
            return forms, unsent
    return compressed({})


def measure(task: RoundTask, folder: ParticipantFolder) -> dict[str, float]:
    """Answer the last ``evaluate`` message: how good the final model is for this client's users, if it may be told."""
    if task.settings.withhold_metrics:
        return {}
    model = model_of(task.settings)
    state = received_state(task, model, folder)
    fitted = folder.fitted_users(task.model_bytes)
    user_vectors = model.fold_in(state, folder.part.train) if fitted is None else fitted
    personal = personalise(task.settings, model, state, folder.part.train, task.server_round)
    with folder.answering():
        _keep_for_users(task, user_vectors, personal, folder)
    return _figures(task.settings, model, state, user_vectors, personal, folder)


def _keep_for_users(
    task: RoundTask, user_vectors: FloatArray, personal: Personal | None, folder: ParticipantFolder
) -> None:
    """Keep what the screens of the client's users need of this model."""
    folder.save_user_vectors(task.model_bytes, user_vectors)
    if personal is not None:
        folder.save_personal(task.model_bytes, personal)


def _figures(
    settings: Settings,
    model: Model,
    state: Arrays,
    user_vectors: FloatArray,
    personal: Personal | None,
    folder: ParticipantFolder,
) -> dict[str, float]:
    """Measure the global model, and what the users would see where there is more."""
    figures = local_metrics(model, state, user_vectors, folder.part)
    if personal is not None:
        figures |= personal_metrics(settings, model, state, user_vectors, personal, folder.part)
    return figures


def received_state(task: RoundTask, model: Model, folder: ParticipantFolder) -> Arrays:
    """Decode the model of a message.

    Raises:
        Rejected: it is damaged, or is for another model or catalogue.
    """
    packed = decode_model(task.model_bytes)
    item_count = folder.part.train.item_count
    if packed.model != model.name or packed.rows != item_count:
        raise Rejected(f"the message holds model '{packed.model}' of {packed.rows} items, not {item_count}")
    return packed.arrays


def local_metrics(model: Model, state: Arrays, user_vectors: FloatArray, part: ClientPart) -> dict[str, float]:
    """Rank the held-out items of this client's users, and predict their ratings where the model does.

    Returns:
        Means under `validation_` and `test_`, with the user counts. Of ratings, the mean *squared* error: the root is
        taken of everybody's mean (`server.report.mean_metrics`).
    """
    figures: dict[str, float] = {}
    for name, held_out, ratings, also_known in (
        ("validation", part.validation, part.validation_ratings, None),
        ("test", part.test, part.test_ratings, part.validation),
    ):
        evaluation = evaluate(model, state, user_vectors, part.seen, held_out, part.candidates, also_known)
        figures[f"{name}_users"] = evaluation.users
        if evaluation.users:
            errors = rating_errors(model, state, user_vectors, held_out, ratings)
            figures |= {f"{name}_{metric}": value for metric, value in (evaluation.metrics | errors).items()}
    return figures


def personal_metrics(
    settings: Settings, model: Model, state: Arrays, user_vectors: FloatArray, personal: Personal, part: ClientPart
) -> dict[str, float]:
    """Rank the held-out items as the client's users see them: means under `validation_personal_`, `test_personal_`."""
    predictor = personal.predictor(settings, model, state, user_vectors.shape[1])
    vectors = beside(user_vectors, personal)
    figures: dict[str, float] = {}
    for name, held_out, also_known in (("validation", part.validation, None), ("test", part.test, part.validation)):
        evaluation = evaluate(predictor, state, vectors, part.seen, held_out, part.candidates, also_known)
        if evaluation.users:
            figures |= {f"{name}_personal_{metric}": value for metric, value in evaluation.metrics.items()}
    return figures
