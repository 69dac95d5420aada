"""What makes a reader of evidence work hardest stays within the bound in the code; the rest: `tests/fuzz`."""

import pytest

from common.bounded_json import MOST_MEMORY_PER_BYTE
from server.replay.mismatch import Mismatch
from server.replay.public_round import read_public_round
from tests.peak_memory import peak_bytes


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 5_000_000,
        b'{"a":' * 1_000_000,
        b"[" + b"{}," * 300_000 + b"{}]",
        b'{"scores":[' + b"{}," * 300_000 + b"{}]}",
        b'{"round":' + b"9" * 1_000_000 + b"}",
        b'"' + b"\\u00e9" * 300_000 + b'"',
    ],
)
def test_no_evidence_makes_reading_allocate_more_than_the_bound(content: bytes) -> None:
    assert peak_bytes(lambda: read_public_round(content, 1), Mismatch) < MOST_MEMORY_PER_BYTE * len(content)
    with pytest.raises(Mismatch):
        read_public_round(content, 1)
