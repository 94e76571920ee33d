"""What lies in an exported file: the model, and nothing of the machine that exported it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch

import edgeseq
from edgeseq.exporters import lowering


def exported(path: Path) -> bytes:
    torch.manual_seed(0)
    edgeseq.export(torch.nn.GRU(3, 4, batch_first=True), {"input": "float32[batch,time,3]"}, path)
    return path.read_bytes()


def notes(data: bytes) -> list[str]:
    """Keys of all metadata but the contract."""
    model = onnx.load_from_string(data)
    graph = model.graph
    values = [*graph.node, *graph.value_info, *graph.input, *graph.output]
    return [entry.key for item in (graph, *values) for entry in item.metadata_props]


def test_an_exported_file_names_no_file_of_the_machine(tmp_path: Path) -> None:
    data = exported(tmp_path / "m.onnx")
    assert notes(data) == []
    assert b".py" not in data
    assert [entry.key for entry in onnx.load_from_string(data).metadata_props] == ["edgeseq.contract"]


def test_the_exporters_notes_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering, "drop_notes", lambda model: None)
    data = exported(tmp_path / "m.onnx")
    assert "pkg.torch.onnx.stack_trace" in notes(data)
    assert b"stepgraph.py" in data
