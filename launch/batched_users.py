"""Fitting the users of all clients that are asked at once, in a simulation that was told to.

Each client then makes its own update from its own users' vectors, so that messages, commitments and scores stay those
of single clients. The vectors differ in the last bits where blocks of users are multiplied together.
"""

from collections.abc import Sequence

from flwr.app import Message, MessageType

from client.store import ParticipantFolder
from common.data.user_items import UserItems
from common.models import FloatArray, model_of
from common.models.on_device import on_device
from common.update import decode_model
from common.wire import read_round_task


class BatchedUsers:
    """The vectors that were fitted last, by client."""

    def __init__(self, device: str = "cpu") -> None:
        """Remember where to fit, see `common.device`."""
        self._device = device
        self._model_bytes = b""
        self._vectors: dict[ParticipantFolder, FloatArray] = {}

    def fit(self, asked: Sequence[tuple[ParticipantFolder, Message]]) -> None:
        """Fit everybody whom these messages are for, where they ask for training or measuring."""
        self._vectors.clear()
        if not asked or asked[0][1].metadata.message_type not in (MessageType.TRAIN, MessageType.EVALUATE):
            return
        task = read_round_task(asked[0][1].content)
        state = decode_model(task.model_bytes).arrays
        model = on_device(model_of(task.settings), state, self._device)
        folders = [folder for folder, _ in asked]
        vectors = model.fold_in(state, UserItems.stacked([folder.part.train for folder in folders]))
        start = 0
        for folder in folders:
            end = start + folder.part.train.user_count
            self._vectors[folder] = vectors[start:end]
            start = end
        self._model_bytes = task.model_bytes

    def vectors(self, folder: ParticipantFolder, model_bytes: bytes) -> FloatArray | None:
        """Return a client's vectors if they were fitted to this model."""
        return self._vectors.get(folder) if model_bytes == self._model_bytes else None
