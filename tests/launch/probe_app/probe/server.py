"""Asks every node for its name, fails, or never ends: as the setting `mode` says."""

import json
import time
from pathlib import Path

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the mode that the test chose."""
    settings = context.run_config
    if settings["mode"] == "fail":
        raise ZeroDivisionError("the probe was told to fail")
    if settings["mode"] == "hang":
        while True:
            time.sleep(1)
    phases = [ask(grid, int(settings["nodes"])) for _ in range(int(settings["phases"]))]
    Path(str(settings["answers"])).write_text(json.dumps(phases))


def ask(grid: Grid, nodes: int) -> dict[str, object]:
    """One empty phase: the names, and when each step of it happened."""
    while len(node_ids := list(grid.get_node_ids())) < nodes:
        time.sleep(0.1)
    asked = time.time()
    waiting = set(
        grid.push_messages([Message(RecordDict(), dst_node_id=node, message_type="query.name") for node in node_ids])
    )
    answers: dict[str, object] = {}
    while waiting:
        for reply in grid.pull_messages(waiting):
            waiting.discard(reply.metadata.reply_to_message_id)
            answer = reply.content["answer"]
            answers[str(answer["name"])] = {"computed": answer["at"], "received": time.time()}
        time.sleep(0.1)
    return {"asked": asked, "answers": answers}
