"""The message by which a node says whose it is: the rest of what client and server send is in `common/wire.py`.

Where rounds ask only some of the clients, the coordinator must know who is behind a node before it draws; it asks each
node once. The same record answers ``train`` where a client sits the round out.
"""

from dataclasses import dataclass, field

from flwr.app import ConfigRecord, RecordDict

from common.declaration import ABSENCES, Declaration
from common.errors import Rejected
from common.record_fields import address_field, bytes_field, config_record, list_field
from common.recoverable_signature import SIGNATURE_BYTES
from common.wire import ROUND_RECORD, RoundTask, round_config

INTRODUCTION = "query"
_RECORD = "introduction"


@dataclass(frozen=True)
class Introduction:
    """Whose node it is, vouched for by the account's signature.

    Attributes:
        account: The client's account.
        node_binding_signature: Ties the node to the account, for this run.
        declaration: When the client takes part.
        absence: Why it sits out the round that it was asked for; "" in the answer to an introduction.
    """

    account: str
    node_binding_signature: bytes
    declaration: Declaration = field(default=Declaration())
    absence: str = ""


def introduction_request(task: RoundTask) -> RecordDict:
    """Content of the message that asks a node who it is: the round's record without the model."""
    return RecordDict({ROUND_RECORD: round_config(task)})


def introduction_content(introduction: Introduction) -> RecordDict:
    """Content of the answer."""
    hours = [minute for span in introduction.declaration.hours for minute in span]
    record: dict[str, str | bytes | float | list[int]] = {
        "account": introduction.account,
        "node-binding-signature": introduction.node_binding_signature,
        "hours": hours,
        "seconds": introduction.declaration.seconds,
        "absence": introduction.absence,
    }
    return RecordDict({_RECORD: ConfigRecord(dict(record))})


def is_introduction(content: RecordDict) -> bool:
    """Say whether a reply to ``train`` says that its sender sits the round out."""
    return _RECORD in content.config_records


def read_introduction(content: RecordDict) -> Introduction:
    """Read what `introduction_content` wrote, from a node that nobody vouches for.

    Raises:
        Rejected: something is missing or malformed.
    """
    record = config_record(content, _RECORD)
    minutes, seconds, absence = list_field(record, "hours", int), record.get("seconds"), record.get("absence")
    if len(minutes) % 2:
        raise Rejected("'hours' has a span without an end")
    if not isinstance(seconds, float):
        raise Rejected("'seconds' is not a number with a point")
    if absence not in ("", *ABSENCES):
        raise Rejected("'absence' is not one of the reasons that a client may give")
    try:
        declaration = Declaration(tuple(zip(minutes[::2], minutes[1::2], strict=True)), seconds)
    except ValueError as error:
        raise Rejected(str(error)) from error
    return Introduction(
        account=address_field(record, "account"),
        node_binding_signature=bytes_field(record, "node-binding-signature", SIGNATURE_BYTES),
        declaration=declaration,
        absence=str(absence),
    )
