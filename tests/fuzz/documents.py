"""JSON documents changed at random: any document, and contracts in ways that pass for a contract."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Random = random.Random
Path = tuple[str | int, ...]

#: Stands for JSON that ``json.dumps`` would not write: numbers without end, names, many brackets.
_RAW = "raw json "
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "-0",
    "1" + "0" * 400,
    "9" * 5000,
    "1e-400",
    "[" * 60 + "]" * 60,
    "[" * 900 + "]" * 900,
    '{"a":' * 900 + "1" + "}" * 900,
    "[" * 100_000,
    "[" * 20_000 + "]" * 20_000,
    '{"a": 1, "a": 2}',
    '{"": {"": null}}',
    "[" + "0," * 50_000 + "0]",
)
NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    64,
    255,
    4000,
    16_000,
    2**15,
    10**5,
    2**18,
    2**20,
    10**9,
    2**31 - 1,
    2**31,
    2**32,
    2**40,
    2**53,
)
HUGE = (2**61, 2**62 - 1, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -1, -2, -(2**61), -(2**63))
FLOATS = (0.5, -0.5, 1e-300, 1e300, -1e308, 1.5, 0.1)
TEXTS = (
    "",
    "0",
    "1",
    "batch",
    "time",
    "capacity",
    "batch\n",
    "4*batch",
    "0*batch",
    "4000000000*batch",
    "999999999*batch",
    "9" * 5000 + "*batch",
    "2*capacity",
    "3*time",
    "n",
    "2*n",
    "1/2",
    "3/2",
    "2",
    "999999999",
    "999999999/999999998",
    "1/999999999",
    "1/0",
    "\u0661",
    "x\x1b[2J",
    "x\ud800",
    "\u202egnp",
    "a" * 100_000,
    "../../../etc/passwd",
    "/etc/passwd",
    "__import__('os').abort()",
    "${jndi}",
    "%s%n%d",
    "x",
    "y",
    "h",
    "h.next",
    "float16",
    "float64",
    "int64",
    "bool",
    "constant",
    "conditioning",
    "control",
    "output",
    "frame",
    "remaining",
    "zeros",
    ">=1.22",
    ">=0.0",
    ">=99999999999999999999.0",
)


def written(document: Any) -> str:
    """The JSON text of a document; what :data:`RAW` put in stands in it as it is."""
    parts = json.dumps(document).split(f'"{_RAW}')
    text = parts[0]
    for part in parts[1:]:
        number, _, rest = part.partition('"')
        text += RAW[int(number)] + rest
    return text


def mangle_document(generator: Random, document: Any) -> Any:
    """A copy with one to three nodes replaced, dropped, doubled, swapped or wrapped."""
    document = copy.deepcopy(document)
    for _ in range(generator.choice([1, 1, 2, 3])):
        if not isinstance(document, (dict, list)) or not document:
            return anything(generator)
        document = generator.choice(_CHANGES)(generator, document)
    return document


def mangle_contract(generator: Random, document: Any) -> Any:
    """A copy of a contract with one to three of its fields set to what a hostile writer would put there."""
    document = copy.deepcopy(document)
    for _ in range(generator.choice([1, 1, 2, 3])):
        generator.choice(_HOSTILE)(generator, document)
    return document


def anything(generator: Random) -> Any:
    """A value of any kind."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: generator.random() < 0.5,
        lambda: generator.choice(NUMBERS),
        lambda: generator.choice(HUGE),
        lambda: generator.choice(FLOATS),
        lambda: generator.choice(TEXTS),
        lambda: f"{_RAW}{generator.randrange(len(RAW))}",
        lambda: [anything(generator) for _ in range(generator.randint(0, 4))],
        lambda: {generator.choice(TEXTS): anything(generator) for _ in range(generator.randint(0, 2))},
    )
    return generator.choice(kinds)()


def places(document: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all nodes below the root."""
    if not isinstance(document, (dict, list)):
        return
    for key, child in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*path, key)
        yield from places(child, (*path, key))


def _at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def _pick(generator: Random, document: Any) -> tuple[Any, Any]:
    """A node: what holds it, and its key there."""
    *path, key = generator.choice(list(places(document)))
    return _at(document, tuple(path)), key


def _replace(generator: Random, document: Any) -> Any:
    holder, key = _pick(generator, document)
    holder[key] = anything(generator)
    return document


def _nudge(generator: Random, document: Any) -> Any:
    """Another value of the same kind."""
    kinds: dict[type, tuple[Any, ...]] = {int: NUMBERS, str: TEXTS, float: FLOATS, bool: (True, False)}
    holder, key = _pick(generator, document)
    holder[key] = generator.choice(kinds.get(type(holder[key]), (holder[key],)))
    return document


def _drop(generator: Random, document: Any) -> Any:
    holder, key = _pick(generator, document)
    del holder[key]
    return document


def _double(generator: Random, document: Any) -> Any:
    holder, key = _pick(generator, document)
    if isinstance(holder, list):
        holder.insert(generator.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
    else:
        holder[generator.choice(TEXTS)] = copy.deepcopy(holder[key])
    return document


def _swap(generator: Random, document: Any) -> Any:
    (one, a), (other, b) = _pick(generator, document), _pick(generator, document)
    one[a], other[b] = copy.deepcopy(other[b]), copy.deepcopy(one[a])
    return document


def _wrap(generator: Random, document: Any) -> Any:
    holder, key = _pick(generator, document)
    holder[key] = generator.choice([[holder[key]], {"a": holder[key]}, [holder[key]] * 100])
    return document


_CHANGES: tuple[Callable[[Random, Any], Any], ...] = (_replace, _replace, _nudge, _nudge, _drop, _double, _swap, _wrap)


def _count(generator: Random) -> Any:
    return generator.choice([*NUMBERS, *NUMBERS, *HUGE])


def _one(generator: Random, document: Any, key: str) -> Any:
    return generator.choice(document[key] or [{}])


def _output(generator: Random, document: Any) -> Any:
    return generator.choice([port for port in document["ports"] if port["role"] == "output"] or [{}])


def _top(generator: Random, document: Any) -> None:
    key = generator.choice(["delay", "min_frames", "receptive_field", "max_context", "frame_period"])
    document[key] = generator.choice([_count(generator), _count(generator), anything(generator)])


def _said(generator: Random, document: Any) -> None:
    """What stands there for information only."""
    key = generator.choice(["mode", "opset", "quantization", "verification", "provenance", "rules", "onnxruntime"])
    document[key] = generator.choice(
        [anything(generator), {"checks": [anything(generator), {"name": anything(generator)}]}, generator.choice(TEXTS)]
    )


def _chunk(generator: Random, document: Any) -> None:
    document["chunk"][generator.choice(["multiple", "max", "max_batched"])] = _count(generator)
    if generator.random() < 0.5:
        for state in document["states"]:
            state["start"] = 0


def _late(generator: Random, document: Any) -> None:
    port = _output(generator, document)
    port["delay"] = _count(generator)


def _length(generator: Random, document: Any) -> None:
    """A length whose parts fit together, with odd numbers in it."""
    port = _output(generator, document)
    period = generator.choice([1, 1, 2, 3, 480, 20_000])
    frames = generator.choice([1, period, period * 3, 10**9, 2**61])
    at = [generator.choice([None, 0, 0, 1, -1, 5, -5, 1000, 2**20, -(2**20), 2**61, -(2**61)]) for _ in range(period)]
    port["length"] = {"period": period, "frames": frames, "at": at}
    if generator.random() < 0.7:
        port["ratio"] = f"{frames}/{period}" if period > 1 else str(frames)
    if generator.random() < 0.7:
        document["chunk"]["multiple"] = period
    if generator.random() < 0.3:
        port["time_axis"] = generator.choice([None, 0, 1, 2])


def _ratio(generator: Random, document: Any) -> None:
    place = _one(generator, document, generator.choice(["ports", "ports", "states"]))
    place["ratio"] = generator.choice(["2", "3/2", "1/2", "999999999", "1/999999999", "999999999/999999998", "7/3"])
    if generator.random() < 0.5:
        document["chunk"]["multiple"] = generator.choice([2, 6, 999999998, 999999999])


def _shape(generator: Random, document: Any) -> None:
    place = _one(generator, document, generator.choice(["ports", "states", "states"]))
    shape = place.get("shape")
    if shape:
        index = generator.randrange(len(shape))
        odd = ["batch", "4*batch", "4000000000*batch", "999999999*capacity", "capacity", "time", "n", 1, 2**31 - 1, 0]
        shape[index] = generator.choice([*odd, 3, 10**6])
        if generator.random() < 0.2:
            generator.shuffle(shape)


def _state(generator: Random, document: Any) -> None:
    state = _one(generator, document, "states")
    key = generator.choice(["kind", "dtype", "start", "in_place", "input", "output", "name"])
    state[key] = {
        "kind": generator.choice(["recurrent", "conv", "kv", "position", "delay", "summary"]),
        "dtype": generator.choice(["float16", "float32", "float64", "int64", "bool", "uint8"]),
        "start": _count(generator),
        "in_place": generator.random() < 0.8,
    }.get(key) or generator.choice([other.get(key, "x") for other in document["states"]] or ["x"])


def _initial(generator: Random, document: Any) -> None:
    state = _one(generator, document, "states")
    shape = [axis if isinstance(axis, int) else 1 for axis in state.get("shape", [])]
    values = generator.choice([0, 1, 3, 4, 8, 64, 4096])
    conditioning = [port["name"] for port in document["ports"] if port["role"] in ("conditioning", "constant")]
    state["initial"] = generator.choice(
        [
            {"kind": "fill", "value": anything(generator)},
            {"kind": "fill", "value": generator.choice([*NUMBERS, *HUGE, *FLOATS])},
            {"kind": "data", "shape": shape, "base64": base64.b64encode(generator.randbytes(values)).decode()},
            {"kind": "data", "shape": [2**31 - 1] * generator.randint(1, 6), "base64": "AAAA"},
            {"kind": "conditioning", "port": generator.choice([*conditioning, "x"]), "index": _count(generator)},
            {"kind": "conditioning", "port": generator.choice([*conditioning, "x"]), "index": None},
            {"kind": "prologue", "port": generator.choice([*conditioning, "x"]), "index": _count(generator)},
            {"kind": "prologue", "port": generator.choice([*conditioning, "x"]), "index": None},
        ]
    )


def _prologue(generator: Random, document: Any) -> None:
    """The second graph: another file, other ends, or one where there was none."""
    names = [port["name"] for port in document["ports"]] or ["x"]
    prologue = document.get("prologue") or {
        "file": "m.prologue.onnx",
        "digest": document.get("digest"),
        "inputs": generator.sample(names, 1),
        "outputs": generator.sample(names, 1),
    }
    document["version"], document["prologue"] = 2, prologue
    files = ["m.onnx", "../m.onnx", "/dev/zero", "m.golden.npz", "a/b.onnx", "C:m.onnx", "..onnx", "\0.onnx", "x" * 999]
    change = generator.choice(["file", "inputs", "outputs", "digest"])
    prologue[change] = {
        "file": generator.choice([*files, generator.choice(TEXTS)]),
        "digest": generator.choice([None, "", document.get("digest")]),
    }.get(change) or generator.sample([*names, *TEXTS[:3]], generator.randint(0, len(names)))


def _port(generator: Random, document: Any) -> None:
    port = _one(generator, document, "ports")
    numbers = [*NUMBERS, *HUGE, *FLOATS]
    key = generator.choice(["role", "dtype", "time_axis", "overlap", "default", "range", "unit", "control", "name"])
    port[key] = {
        "role": generator.choice(["frame", "conditioning", "constant", "control", "output"]),
        "dtype": generator.choice(["float16", "float32", "float64", "int64", "bool", "uint8"]),
        "time_axis": generator.choice([0, 1, 2, 3, None]),
        "overlap": generator.choice([0, 1, 2**61]),
        "default": generator.choice([None, *numbers]),
        "range": generator.choice([None, [generator.choice(numbers), generator.choice(numbers)]]),
        "control": "remaining",
    }.get(key, generator.choice(TEXTS))


def _more(generator: Random, document: Any) -> None:
    """A port or a state once more, or one less."""
    items = document[generator.choice(["ports", "states"])]
    if items and generator.random() < 0.5:
        items.append(copy.deepcopy(generator.choice(items)))
    elif items:
        items.pop(generator.randrange(len(items)))


_HOSTILE: tuple[Callable[[Random, Any], None], ...] = (
    _top,
    _said,
    _chunk,
    _chunk,
    _late,
    _late,
    _length,
    _length,
    _ratio,
    _shape,
    _shape,
    _state,
    _initial,
    _initial,
    _prologue,
    _port,
    _port,
    _more,
)
