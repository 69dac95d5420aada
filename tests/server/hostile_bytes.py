"""Bytes that are no update of the run, each with a commitment and signatures that are in order."""

from typing import Any

from common.update import MODEL_MAGIC, UPDATE_MAGIC
from server.verification import MAX_UPDATE_BYTES
from tests.server.hostile_acts import with_bytes, with_first_array, with_header
from tests.server.hostile_client import ANY_MODEL, EVERYWHERE, IALS, HostileClient


def _bomb(letters: bytes) -> Any:
    return with_header(lambda header: letters)


def _renamed(header: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return header | changed


def _twice(header: dict[str, Any]) -> dict[str, Any]:
    header["arrays"].insert(1, header["arrays"][0])
    return header


ENCODED = (
    HostileClient(
        does="truncates its update",
        act=with_bytes(lambda data: data[: len(data) // 2]),
        reason="is cut off$",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="adds bytes after the last array",
        act=with_bytes(lambda data: data + bytes(7)),
        kinds=ANY_MODEL,
        reason="^7 bytes follow the last array$",
    ),
    HostileClient(
        does="sends an update of no bytes", act=with_bytes(lambda data: b""), reason="^the bytes do not start"
    ),
    HostileClient(
        does="sends a model in place of an update",
        act=with_bytes(lambda data: MODEL_MAGIC + data[len(UPDATE_MAGIC) :]),
        reason="^the bytes do not start with TFRSUPD1$",
    ),
    HostileClient(
        does="sends more than 256 MiB",
        act=with_bytes(lambda data: bytes(MAX_UPDATE_BYTES + 1)),
        reason="^the update has 268435457 bytes, more than the 268435456 allowed$",
        kinds=IALS,
    ),
    HostileClient(
        does="lies in the header's length field",
        act=with_bytes(lambda data: data[:8] + b"\xff\xff\xff\x7f" + data[12:]),
        reason="^the header's length field says 2147483647 bytes, which cannot be$",
    ),
    HostileClient(
        does="nests its header 4,000 lists deep",
        act=_bomb(b"[" * 4000 + b"]" * 4000),
        reason="^the header cannot be read as JSON$",
    ),
    HostileClient(
        does="puts a number of 10,000 digits into its header",
        act=_bomb(b'{"arrays":[],"model":"ials","rows":' + b"9" * 10_000 + b"}"),
        reason="^the header cannot be read as JSON$",
    ),
    HostileClient(
        does="says the same key twice in its header",
        act=_bomb(b'{"arrays":[],"model":"x","model":"ials","rows":150}'),
        reason="^the header is not canonical JSON$",
    ),
    HostileClient(
        does="declares an array of 2^40 by 2^40",
        act=with_first_array(shape=[2**40, 2**40]),
        reason="has an impossible shape$",
    ),
    HostileClient(
        does="declares a shape whose size overflows behind a zero",
        act=with_first_array(shape=[0, 2**31 - 1, 2**31 - 1]),
        reason="is said to be larger than 1073741824 bytes$",
    ),
    HostileClient(
        does="declares an array of Python objects",
        act=with_first_array(dtype="object"),
        reason="^an array's description has wrong types$",
    ),
    HostileClient(
        does="declares big-endian numbers",
        act=with_first_array(dtype=">f4"),
        reason="^an array's description has wrong types$",
    ),
    HostileClient(does="sends an array twice", act=with_header(_twice), reason="^the arrays' names are not ascending$"),
    HostileClient(
        does="gives an array a name of 5,000 letters",
        act=with_first_array(name="n" * 5000),
        reason="^an array's name is longer than 64 characters$",
    ),
    HostileClient(
        does="names its model with terminal commands",
        act=with_header(lambda header: _renamed(header, model="\x1b[2J\u202eslai")),
        reason=r"^the update is for model '\?\[2J\?slai' with 150 items, not for '(ials|ncf)' with 150$",
    ),
    HostileClient(
        does="sends an update for another catalogue",
        act=with_header(lambda header: _renamed(header, rows=151)),
        reason=r"with 151 items, not for '(ials|ncf)' with 150$",
    ),
)
