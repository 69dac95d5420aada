"""Strategies for Hypothesis: bytes and JSON that were right until somebody changed them."""

import json
import struct
from typing import Any

from hypothesis import strategies as st

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 1, 2**31, 2**40, 2**53, 2**63, 2**64, 10**80, 10**400])
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "0x", "\ud800", "\x00", "../../x", "x" * 5000, "0" * 64, "-0", "9" * 78, "1e5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LENGTHS = st.sampled_from([0, 1, 2**16 - 1, 2**31 - 1, 2**32 - 1]) | st.integers(0, 2**32 - 1)


@st.composite
def mutated_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """The bytes with a few of them flipped, cut off, doubled, inserted, or taken for a length and changed."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(["flip", "cut", "behead", "double", "insert", "length", "drop"]))
        if how == "flip" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        elif how == "cut":
            del data[at:]
        elif how == "behead":
            del data[:at]
        elif how == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        elif how == "length":
            data[at : at + 4] = struct.pack("<I", draw(LENGTHS))
        elif how == "drop":
            del data[at : at + draw(st.integers(1, 16))]
    return bytes(data)


@st.composite
def mutated_json(draw: st.DrawFn, valid: bytes) -> bytes:
    """The JSON with a few of its values replaced, taken away, renamed or wrapped; or with its bytes changed."""
    if draw(st.integers(0, 3)) == 0:
        return draw(mutated_bytes(valid))
    holder = {"": json.loads(valid)}
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(holder))
        container, key = places[draw(st.integers(0, len(places) - 1))]
        how = draw(st.sampled_from(["replace", "replace", "replace", "delete", "rename", "wrap", "double"]))
        if how == "replace" or container is holder:
            container[key] = draw(ANY_JSON)
        elif how == "delete":
            del container[key]
        elif how == "wrap":
            container[key] = [container[key]]
        elif isinstance(container, dict):
            container[draw(st.text(max_size=8))] = container.pop(key) if how == "rename" else container[key]
        else:
            container.append(container[key])
    return json.dumps(holder[""]).encode()


def _places(container: Any) -> Any:
    for key, value in list(container.items() if isinstance(container, dict) else enumerate(container)):
        yield container, key
        if isinstance(value, dict | list):
            yield from _places(value)
