"""Messages in, messages out: the Flower app that runs beside a participant's data."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client.participation import absence_from, introduce
from client.scoring import PeerWork, score
from client.store import ParticipantFolder
from client.training import measure, train
from common.errors import WrongUse
from common.introduction import introduction_content
from common.wire import (
    PEER_EVALUATION,
    metrics_content,
    peer_reply_content,
    read_peer_task,
    read_round,
    read_round_task,
    train_reply_content,
)

CLIENT_DIR = "client-dir"


def build_app(
    open_folder: Callable[[Path], ParticipantFolder] = ParticipantFolder, peer_work: PeerWork | None = None
) -> ClientApp:
    """Make the app.

    Args:
        open_folder: Opens the folder that the node's config names; a simulation keeps the opened ones.
        peer_work: Measures for scores; a simulation, where all peers share a process, does each work once.
    """
    work = peer_work or PeerWork()
    app = ClientApp()

    def folder_of(context: Context) -> ParticipantFolder:
        client_dir = context.node_config.get(CLIENT_DIR)
        if not isinstance(client_dir, str):
            raise WrongUse(f"Start the SuperNode with --node-config '{CLIENT_DIR}=\"...\"', the participant's folder.")
        return open_folder(Path(client_dir))

    @app.query()
    def _introduce(message: Message, context: Context) -> Message:
        introduction = introduce(read_round(message.content, model_bytes=b""), context.node_id, folder_of(context))
        return Message(introduction_content(introduction), reply_to=message)

    @app.train()
    def _train(message: Message, context: Context) -> Message:
        task, folder = read_round_task(message.content), folder_of(context)
        if absence := absence_from(task, folder, datetime.now(UTC)):
            return Message(introduction_content(introduce(task, context.node_id, folder, absence)), reply_to=message)
        return Message(train_reply_content(train(task, context.node_id, folder)), reply_to=message)

    @app.evaluate(PEER_EVALUATION.split(".")[1])
    def _evaluate_peers(message: Message, context: Context) -> Message:
        folder = folder_of(context)
        scores = score(read_peer_task(message.content), folder, work)
        return Message(peer_reply_content(folder.account.address, scores), reply_to=message)

    @app.evaluate()
    def _evaluate(message: Message, context: Context) -> Message:
        figures = measure(read_round_task(message.content), folder_of(context))
        return Message(metrics_content(figures), reply_to=message)

    return app


app = build_app()
