"""Case number n of a seed: a base, what is changed in it, the files that come out. The same every time."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseq.contract import METADATA_KEY
from edgeseq.errors import ModelFileError
from edgeseq.modelfile import read_model_file, with_metadata
from edgeseq.sealing import seal_of
from tests.fuzz.bases import Base
from tests.fuzz.documents import mangle_contract, mangle_document, written
from tests.fuzz.mangling import mangle, mangle_fields, mangle_graph
from tests.fuzz.traces import mangle_trace

#: How often each kind of change is made, in hundredths.
KINDS = {
    "contract": 38,
    "document": 12,
    "text": 5,
    "bytes": 10,
    "fields": 6,
    "trace": 14,
    "sidecar": 3,
    "data": 7,
    "prologue": 5,
}
#: What a kind changes, where not every base has it.
NEEDED = {"data": "m.onnx.data", "prologue": "m.prologue.onnx"}
#: What a location of external data might try.
LOCATIONS = (
    "m.onnx.data",
    "../secret",
    "/etc/hostname",
    "//etc/hostname",
    "sub/../../secret",
    "./m.onnx.data",
    "..",
    ".",
    "",
    "C:\\secret",
    "\\\\host\\share",
    "m.onnx.data:stream",
    "m.onnx",
    "*/_ORT_MEM_ADDR_/*",
    "file:///etc/hostname",
    "m.onnx.data\0",
    "a" * 5000,
    "x\x1b[2J",
    "/dev/zero",
    "/proc/self/mem",
)


@dataclass(frozen=True)
class Case:
    """The files of one case by name. ``untouched`` says that graph and weights are those of the base."""

    kind: str
    base: str
    files: Mapping[str, bytes]
    untouched: bool


def case(seed: int, number: int, bases: Sequence[Base], kinds: Mapping[str, int] = KINDS) -> Case:
    """Case ``number`` of ``seed``."""
    generator = random.Random(f"{seed}/{number}")
    kind = generator.choices(list(kinds), list(kinds.values()))[0]
    able = [base for base in bases if NEEDED.get(kind, "m.onnx") in base.files]
    base = generator.choice(able)
    files = dict(base.files)
    if kind not in ("trace", "sidecar"):
        files.pop("m.contract.json", None)
    others = [other.files["m.onnx"] for other in bases]
    if kind == "trace":
        files["m.golden.npz"] = _trace(generator, files["m.golden.npz"])
    elif kind == "sidecar":
        files["m.contract.json"] = _sidecar(generator, base.contract)
    elif kind == "data":
        files |= _data(generator, files)
    elif kind == "prologue":
        files |= _prologue(generator, files)
    elif kind == "bytes":
        files["m.onnx"] = mangle(generator, files["m.onnx"], others)
    elif kind == "renewed":
        files["m.onnx"] = _renewed(mangle_graph(generator, files["m.onnx"], others), base)
    elif kind == "fields":
        files["m.onnx"] = mangle_fields(generator, files["m.onnx"])
    else:
        files["m.onnx"] = with_metadata(files["m.onnx"], METADATA_KEY, _contract(generator, kind, base), "m.onnx")
    return Case(kind, base.name, files, kind in ("contract", "document", "text", "trace", "sidecar"))


def _contract(generator: random.Random, kind: str, base: Base) -> str:
    """The contract changed, under the digest of the file, so that it is read as a verified one."""
    if kind == "text":
        text = mangle(generator, base.contract.encode()).decode("utf-8", "replace")
        seal = json.loads(base.contract)["seal"]
        return text.replace(seal, seal_of(text, seal), 1) if generator.random() < 0.8 else text
    document = json.loads(base.contract)
    digest = document["digest"]
    document = (mangle_contract if kind == "contract" else mangle_document)(generator, document)
    if not isinstance(document, dict) or generator.random() >= 0.95:
        return written(document)
    document["digest"] = digest
    return _sealed(document)


def _sealed(document: dict[str, Any]) -> str:
    """The contract under a seal of its own, whatever stands in it."""
    text = written({**document, "seal": "here"})
    return text.replace('"here"', json.dumps(seal_of(text, "here")), 1)


def _renewed(data: bytes, base: Base) -> bytes:
    """The file under the digest of its own graph, where it is still a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Case("renewed", base.name, {**base.files, "m.onnx": data}, untouched=False), Path(folder))
        try:
            digest = read_model_file(path).digest
        except ModelFileError:
            return data
    return with_metadata(data, METADATA_KEY, _sealed({**json.loads(base.contract), "digest": digest}), "m.onnx")


def _trace(generator: random.Random, data: bytes) -> bytes:
    return mangle(generator, data) if generator.random() < 0.25 else mangle_trace(generator, data)


def _sidecar(generator: random.Random, contract: str) -> bytes:
    if generator.random() < 0.5:
        return mangle(generator, contract.encode())
    return written(mangle_document(generator, json.loads(contract))).encode()


def _data(generator: random.Random, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The weights beside the file, or the words that lead to them, changed."""
    if generator.random() < 0.3:
        return {"m.onnx.data": mangle(generator, files["m.onnx.data"])}
    import onnx

    model = onnx.load_model_from_string(files["m.onnx"])
    tensors = [tensor for tensor in model.graph.initializer if tensor.external_data]
    entry = generator.choice(generator.choice(tensors).external_data)
    if generator.random() < 0.5:
        entry.key, entry.value = "location", generator.choice(LOCATIONS)
    else:
        entry.value = generator.choice(["-1", "9" * 30, "1e3", "", "0x10", " 1", "18446744073709551615", "٣", "4096"])
        entry.key = generator.choice(["offset", "length", "location", "checksum"])
    if generator.random() < 0.2:
        generator.choice(tensors).external_data.add(key="location", value=generator.choice(LOCATIONS))
    return {"m.onnx": model.SerializeToString()}


def _prologue(generator: random.Random, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The prologue changed, or another file of the folder in its place."""
    if generator.random() < 0.2:
        return {"m.prologue.onnx": generator.choice([files["m.onnx"], files["m.golden.npz"], b""])}
    return {"m.prologue.onnx": mangle(generator, files["m.prologue.onnx"], [files["m.onnx"]])}


def write(made: Case, folder: Path) -> Path:
    """Write the files of a case into an empty folder; the path of its model."""
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    return folder / "m.onnx"
