"""Answers at once."""

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from empty.payload import payload

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Reply with as many bytes as an update has."""
    size = int(context.run_config["update-bytes"])
    return Message(RecordDict({"update": payload(size)} if size else {}), reply_to=message)


@app.evaluate("peer")
def evaluate_peers(message: Message, _context: Context) -> Message:
    """Reply with nothing."""
    return Message(RecordDict(), reply_to=message)
