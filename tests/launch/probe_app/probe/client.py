"""Answers with what lies in the client's folder."""

import time
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query("name")
def tell_name(message: Message, context: Context) -> Message:
    """Reply with the client's name and the time at which this process had the message."""
    name = (Path(str(context.node_config["client-dir"])) / "name.txt").read_text()
    content = RecordDict({"answer": ConfigRecord({"name": name, "at": time.time()})})
    return Message(content, reply_to=message)
