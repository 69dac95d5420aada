"""Inputs that were right until somebody changed them, knowing how they are built.

Every function takes a generator and valid inputs of one decoder, of which the first is to be changed; it returns bytes.
The same generator gives the same bytes.
"""

import copy
import csv
import io
import json
import random
import struct
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tomli_w

Mutation = Callable[[random.Random, Sequence[bytes]], bytes]

NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**16 - 1, 2**31 - 1, 2**31, -(2**31), 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**80)
FLOATS = (0.0, -0.0, 0.5, 1e-320, 1e38, 1e39, 1e308, -1e308, float("nan"), float("inf"), -float("inf"))
TEXTS = (
    "",
    "0x",
    "\ud800",
    "\x00",
    "../../x",
    "é",
    "-0",
    "1e5",
    "nan",
    "inf",
    "9" * 78,
    "0" * 64,
    "f" * 130,
    "x" * 5000,
)
HOLES = ("[" * 40 + "]" * 40, "[" * 100_000, '{"a":' * 50_000, "9" * 5000, "-1e999", "NaN", "[" + "{}," * 3000 + "{}]")
"""Put into JSON as text, since no JSON writer would."""

_HOLE = "a hole to fill"
_LENGTHS = (0, 1, 255, 2**16 - 1, 2**31 - 1, 2**32 - 1)
_WORDS = (
    b"nan",
    b"inf",
    b"-1",
    b"1e999",
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff\xfe",
    b"::",
    b"9" * 400,
    b"=",
)


def mutated_bytes(rng: random.Random, inputs: Sequence[bytes]) -> bytes:
    """Flip, cut, drop, double, insert, splice with another input, or write something else where a length may stand."""
    data = bytearray(inputs[0])
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(data))
        match rng.randrange(9):
            case 0 | 1 if at < len(data):
                data[at] ^= rng.randint(1, 255)
            case 2:
                del data[at:]
            case 3:
                del data[at : at + rng.randint(1, 16)]
            case 4:
                data[at:at] = data[at : at + rng.randint(1, 64)]
            case 5:
                data[at:at] = rng.randbytes(rng.randint(1, 16))
            case 6:
                form = rng.choice(["<I", ">I", "<H", "<Q"])
                length = rng.choice(_LENGTHS) % 256 ** struct.calcsize(form)
                data[at : at + struct.calcsize(form)] = struct.pack(form, length)
            case 7:
                other = rng.choice(inputs)
                data[at:] = other[rng.randint(0, len(other)) :]
            case _:
                data[at:at] = rng.choice(_WORDS)
    return bytes(data)


def mutated_json(rng: random.Random, inputs: Sequence[bytes]) -> bytes:
    """Change values, keys and shape of a JSON value, as somebody would who writes it anew; or its bytes."""
    if rng.randrange(5) == 0:
        return mutated_bytes(rng, inputs)
    value = changed_value(rng, json.loads(inputs[0]), json.loads(rng.choice(inputs)))
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5, separators=rng.choice([None, (",", ":")]), sort_keys=True)
    text = text.replace(json.dumps(_HOLE), rng.choice(HOLES))
    return text.encode("utf-8", "surrogatepass")


def mutated_lines(rng: random.Random, inputs: Sequence[bytes]) -> bytes:
    """One line of JSON among several changed, as `mutated_json` does; or bytes anywhere."""
    if rng.randrange(3) == 0:
        return mutated_bytes(rng, inputs)
    lines = inputs[0].splitlines()
    at = rng.randrange(len(lines))
    lines[at] = mutated_json(rng, [lines[at], *lines]).replace(b"\n", b" ")
    return b"".join(line + b"\n" for line in lines)


def mutated_toml(rng: random.Random, inputs: Sequence[bytes]) -> bytes:
    """The same for TOML."""
    if rng.randrange(3):
        changed = changed_value(rng, tomllib.loads(inputs[0].decode()), tomllib.loads(rng.choice(inputs).decode()))
        try:
            text = tomli_w.dumps(changed).replace(json.dumps(_HOLE), rng.choice(HOLES))
            return text.encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, AttributeError):
            pass  # nothing that TOML can say
    return mutated_bytes(rng, inputs)


def mutated_csv(rng: random.Random, inputs: Sequence[bytes]) -> bytes:
    """Change some cells, or bytes."""
    if rng.randrange(2):
        return mutated_bytes(rng, inputs)
    rows = list(csv.reader(io.StringIO(inputs[0].decode())))
    for _ in range(rng.randint(1, 3)):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice([*TEXTS, *map(str, NUMBERS), *map(str, FLOATS)])
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def mutated_arrays(rng: random.Random, inputs: Sequence[bytes]) -> bytes:
    """An npz file with other arrays, compressed, or listed twice; or with other bytes."""
    if rng.randrange(3) == 0:
        return mutated_bytes(rng, inputs)
    with np.load(io.BytesIO(inputs[0]), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(sorted(arrays))
        arrays[name] = changed_array(rng, arrays[name])
        if rng.randrange(10) == 0:
            arrays[rng.choice(["extra", "train_x"])] = arrays.pop(name)
    out = io.BytesIO()
    save = np.savez_compressed if rng.randrange(12) == 0 else np.savez
    save(out, **arrays)
    if rng.randrange(12) == 0:
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr("bomb.npy", bytes(1_000_000), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def mutated_update(rng: random.Random, inputs: Sequence[bytes]) -> bytes:
    """An update or a model whose header, or arrays, or both, are others; headers stay canonical where they can be."""
    choice = rng.randrange(4)
    if choice == 0:
        return mutated_bytes(rng, inputs)
    magic, header, body = _parts(inputs[0])
    if choice == 1:
        changed = mutated_json(rng, [header, *(_parts(other)[1] for other in inputs)])
        return _joined(magic, changed, body)
    described = json.loads(header)
    arrays, start = [], 0
    for entry in described["arrays"]:
        array = np.frombuffer(body, np.dtype(entry["dtype"]), _count(entry["shape"]), start).reshape(entry["shape"])
        start += array.nbytes
        arrays.append(array)
    for _ in range(rng.randint(1, 2)):
        place = rng.randrange(len(arrays))
        arrays[place] = changed_array(rng, arrays[place], same_form=rng.random() < 0.7)
        described["arrays"][place] |= {"dtype": arrays[place].dtype.name, "shape": list(arrays[place].shape)}
    header = json.dumps(described, separators=(",", ":"), sort_keys=True).encode()
    return _joined(magic, header, b"".join(array.tobytes() for array in arrays))


def changed_array(rng: random.Random, array: Any, *, same_form: bool = False) -> Any:
    """Another array in its place: other values at a few places or everywhere, or another type or shape."""
    if same_form or rng.randrange(3):
        changed = array.copy()
        if changed.size == 0 or changed.dtype.kind not in "iufb":
            return changed
        flat, value = changed.reshape(-1), _number_for(rng, changed.dtype)
        with np.errstate(all="ignore"):
            match rng.randrange(4):
                case 0:
                    flat[rng.randrange(flat.size)] = value
                case 1:
                    flat[:] = value
                case 2:
                    a, b = rng.randrange(flat.size), rng.randrange(flat.size)
                    flat[a], flat[b] = flat[b], flat[a]
                case _:
                    flat *= np.array(rng.choice([-1, 2, 100]), np.int64).astype(changed.dtype)
        return changed
    match rng.randrange(4):
        case 0:
            with np.errstate(all="ignore"):
                kind = rng.choice(["uint8", "uint32", "int32", "int64", "float32", "float64"])
                return array.astype(kind) if array.dtype.kind in "iufb" else np.zeros(array.shape, kind)
        case 1:
            return array[: rng.randint(0, len(array))] if array.ndim else array.reshape(1)
        case 2:
            return np.concatenate([array, array]) if array.ndim else array.reshape(1, 1)
        case _:
            return array.reshape(rng.choice([(1, -1), (-1, 1), (-1,)])) if array.size else array


def changed_value(rng: random.Random, value: Any, other: Any) -> Any:
    """Replace, remove, rename, wrap, double or move some of the values; or take them from another input."""
    holder = {"": value}
    for _ in range(rng.randint(1, 3)):
        places = list(_places(holder))
        container, key = rng.choice(places)
        match rng.randrange(9):
            case 0 | 1 | 2:
                container[key] = _slightly_other(rng, container[key])
            case 3:
                container[key] = any_value(rng)
            case 4 if container is not holder:
                del container[key]
            case 5:
                container[key] = [container[key]] if rng.random() < 0.5 else {"a": container[key]}
            case 6:
                source, at = rng.choice(list(_places({"": other})))
                container[key] = copy.deepcopy(source[at])
            case 7 if isinstance(container, dict) and container is not holder:
                container[rng.choice([*TEXTS, key + "x", key.upper()])] = container.pop(key)
            case _:
                if isinstance(container, list):
                    container.extend([container[key]] * rng.choice([1, 1, 70]))
                else:
                    container[key] = _HOLE
    return holder[""]


def any_value(rng: random.Random) -> Any:
    """Anything that JSON can say, and NaN."""
    match rng.randrange(6):
        case 0:
            return rng.choice([None, True, False, [], {}])
        case 1:
            return rng.choice(NUMBERS)
        case 2:
            return rng.choice(FLOATS)
        case 3:
            return rng.choice(TEXTS)
        case 4:
            return [any_value(rng) for _ in range(rng.randint(0, 3))]
        case _:
            return {rng.choice(TEXTS): any_value(rng) for _ in range(rng.randint(0, 2))}


def _slightly_other(rng: random.Random, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return rng.choice([not value, 1, 0, "true"])
    if isinstance(value, int):
        return rng.choice(
            [value + 1, value - 1, -value, value * 2 ** rng.randint(1, 70), float(value % 2**60), str(value)]
        )
    if isinstance(value, float):
        return rng.choice([-value, value * 1e30, value + 1e-9, str(value), *FLOATS])
    if isinstance(value, str) and value:
        at = rng.randrange(len(value))
        letter = rng.choice("0aFzg \x00é")
        return rng.choice(
            [value[:at] + letter + value[at + 1 :], value[:at], value + letter, value.upper(), value.lower(), value * 2]
        )
    if isinstance(value, list) and value:
        return rng.choice([value[1:], value[::-1], [*value, value[0]], value * 40])
    return any_value(rng)


def _number_for(rng: random.Random, dtype: Any) -> Any:
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            return np.array(rng.choice(FLOATS), np.float64).astype(dtype)
    return np.array(rng.choice(NUMBERS[:-1]) % 2**64, np.uint64).astype(dtype)


def _places(container: Any) -> Any:
    for key, value in list(container.items() if isinstance(container, dict) else enumerate(container)):
        yield container, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    (length,) = struct.unpack_from("<I", data, 8)
    return data[:8], data[12 : 12 + length], data[12 + length :]


def _joined(magic: bytes, header: bytes, body: bytes) -> bytes:
    return magic + struct.pack("<I", len(header)) + header + body


def _count(shape: Sequence[int]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count
