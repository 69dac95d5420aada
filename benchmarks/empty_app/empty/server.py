"""Two phases a round, one message a node each, and nothing in between."""

import json
import time
from pathlib import Path

from flwr.app import Context, Message, MessageType, RecordDict
from flwr.serverapp import Grid, ServerApp

from empty.exchange import exchange
from empty.payload import payload

PEER_EVALUATION = "evaluate.peer"
LONGEST_PHASE_SECONDS = 600.0

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Play the rounds and write when each began and ended."""
    settings = context.run_config
    while len(nodes := sorted(grid.get_node_ids())) < int(settings["nodes"]):
        time.sleep(0.1)
    rounds = [
        _play(grid, nodes, str(settings["loop"]), int(settings["model-bytes"])) for _ in range(settings["rounds"])
    ]
    Path(str(settings["answers"])).write_text(json.dumps(rounds))


def _play(grid: Grid, nodes: list[int], loop: str, model_bytes: int) -> dict[str, float]:
    began = time.time()
    content = RecordDict({"model": payload(model_bytes)} if model_bytes else {})
    updates = _phase(grid, loop, [Message(content, dst_node_id=node, message_type=MessageType.TRAIN) for node in nodes])
    trained = time.time()
    # As in a round of ours every peer gets the model and the updates of all others.
    messages = []
    for node in nodes:
        received = {f"update.{other}": reply["update"] for other, reply in updates.items() if other != node and reply}
        task = RecordDict({**content, **received})
        messages.append(Message(task, dst_node_id=node, message_type=PEER_EVALUATION))
    _phase(grid, loop, messages)
    return {"began": began, "trained": trained, "ended": time.time()}


def _phase(grid: Grid, loop: str, messages: list[Message]) -> dict[int, RecordDict]:
    if loop == "exchange":
        contents = exchange(grid, messages, LONGEST_PHASE_SECONDS).contents
    else:
        replies = grid.send_and_receive(messages, timeout=LONGEST_PHASE_SECONDS)
        contents = {reply.metadata.src_node_id: reply for reply in replies if reply.has_content()}
    if len(contents) != len(messages):
        raise RuntimeError(f"{len(contents)} of {len(messages)} nodes answered")
    return {node: reply.content for node, reply in contents.items()}
