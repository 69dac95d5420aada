"""A node's introduction over the wire."""

from typing import Any

import pytest
from flwr.app import ConfigRecord, RecordDict

from common.account import development_account
from common.declaration import ABSENCES, Declaration
from common.errors import Rejected
from common.introduction import Introduction, introduction_content, is_introduction, read_introduction

ACCOUNT = development_account(1, 1).address
SENT = Introduction(ACCOUNT, bytes(65), Declaration(((1200, 360),), 12.5), ABSENCES[0])


def changed(**fields: Any) -> RecordDict:
    content = introduction_content(SENT)
    record = dict(content.config_records["introduction"]) | fields
    return RecordDict(
        {"introduction": ConfigRecord({key: value for key, value in record.items() if value is not None})}
    )


def test_what_is_sent_is_read() -> None:
    assert is_introduction(introduction_content(SENT))
    assert read_introduction(introduction_content(SENT)) == SENT
    assert read_introduction(introduction_content(Introduction(ACCOUNT, bytes(65)))).declaration == Declaration()


@pytest.mark.parametrize(
    "fields",
    [
        {"account": "0x12"},
        {"account": ACCOUNT.lower()},
        {"node-binding-signature": bytes(64)},
        {"hours": [1200]},
        {"hours": [1200, 1440]},
        {"hours": [-1, 20]},
        {"hours": [0, 1] * 33},
        {"hours": [0.0, 1.0]},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -1.0},
        {"seconds": 3},
        {"absence": "<script>"},
        {"absence": 3},
        {"absence": [ABSENCES[0]]},
        *({key: None} for key in ("account", "node-binding-signature", "hours", "seconds", "absence")),
    ],
)
def test_anything_else_is_rejected(fields: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        read_introduction(changed(**fields))


def test_another_reply_is_no_introduction() -> None:
    assert not is_introduction(RecordDict({"signed": ConfigRecord({})}))
    with pytest.raises(Rejected):
        read_introduction(RecordDict({"introduced": ConfigRecord({})}))
