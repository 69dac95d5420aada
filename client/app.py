"""Messages in, messages out: the Flower app that runs beside a participant's data."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import INFO
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.common.logger import log

from client.participation import absence_from, introduce
from client.scoring import PeerWork, score
from client.store import ParticipantFolder
from client.training import LocalStep, honest_step, measure, train
from common.device import DEVICE_VARIABLE
from common.errors import WrongUse
from common.introduction import introduction_content
from common.log_lines import configure_logs, log_context, run_field
from common.wire import (
    PEER_EVALUATION,
    RoundTask,
    metrics_content,
    peer_reply_content,
    read_peer_task,
    read_round,
    read_round_task,
    train_reply_content,
)

CLIENT_DIR = "client-dir"


def build_app(
    open_folder: Callable[[Path], ParticipantFolder] = ParticipantFolder,
    peer_work: PeerWork | None = None,
    device: str | None = None,
    local_step: LocalStep = honest_step,
) -> ClientApp:
    """Make the app.

    Args:
        open_folder: Opens the folder that the node's config names; a simulation keeps the opened ones.
        peer_work: Measures for scores; a simulation, where all peers share a process, does each work once.
        device: Where to train; None does what the environment says.
        local_step: What makes the updates.
    """
    chosen = device or os.environ.get(DEVICE_VARIABLE, "auto")
    work = peer_work or PeerWork()
    app = ClientApp()

    def folder_of(context: Context) -> ParticipantFolder:
        client_dir = context.node_config.get(CLIENT_DIR)
        if not isinstance(client_dir, str):
            raise WrongUse(f"Start the SuperNode with --node-config '{CLIENT_DIR}=\"...\"', the participant's folder.")
        return open_folder(Path(client_dir))

    @app.query()
    def _introduce(message: Message, context: Context) -> Message:
        task = read_round(message.content, model_bytes=b"")
        with _logged(task, context, "introduced itself"):
            introduction = introduce(task, context.node_id, folder_of(context))
        return Message(introduction_content(introduction), reply_to=message)

    @app.train()
    def _train(message: Message, context: Context) -> Message:
        task, folder = read_round_task(message.content), folder_of(context)
        if absence := absence_from(task, folder, datetime.now(UTC)):
            with _logged(task, context, f"sat the round out ({absence})"):
                introduction = introduce(task, context.node_id, folder, absence)
            return Message(introduction_content(introduction), reply_to=message)
        with _logged(task, context, "trained"):
            reply = train(task, context.node_id, folder, chosen, local_step)
        return Message(train_reply_content(reply), reply_to=message)

    @app.evaluate(PEER_EVALUATION.split(".")[1])
    def _evaluate_peers(message: Message, context: Context) -> Message:
        folder, task = folder_of(context), read_peer_task(message.content)
        with _logged(task.round_task, context, "scored"):
            scores = score(task, folder, work)
        return Message(peer_reply_content(folder.account.address, scores), reply_to=message)

    @app.evaluate()
    def _evaluate(message: Message, context: Context) -> Message:
        task = read_round_task(message.content)
        with _logged(task, context, "measured"):
            figures = measure(task, folder_of(context))
        return Message(metrics_content(figures), reply_to=message)

    return app


@contextmanager
def _logged(task: RoundTask, context: Context, done: str) -> Iterator[None]:
    """Say which run, round and client the lines inside are about, and at the end how long the work took.

    The client is named by its folder, which is its own name for itself; its account takes a keystore to be known.
    """
    configure_logs()
    began = time.monotonic()
    name = Path(str(context.node_config.get(CLIENT_DIR))).name
    with log_context(run=run_field(task.run_id), round=task.server_round, client=name):
        yield
        log(INFO, "%s in %.1f s", done, time.monotonic() - began)


app = build_app()
