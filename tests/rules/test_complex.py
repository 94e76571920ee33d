"""Complex values in real numbers, by ``check_rule``: the cases of every form, and that none is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from edgeseq.errors import NotStreamable, UsageError
from edgeseq.exporters import complex_pairs, export
from edgeseq.exporters.complex_ops import FORMS
from edgeseq.testing import check_rule
from tests.rules.complex_cases import ROWS
from tests.rules.row import FRAMES, Called, Row


@pytest.fixture
def formed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ops whose forms were looked up since the test began."""
    seen: set[str] = set()
    look_up = complex_pairs._form

    def noting(emit: Any, forms: Any, node: torch.fx.Node) -> Any:
        seen.add(str(node.target))
        return look_up(emit, forms, node)

    monkeypatch.setattr(complex_pairs, "_form", noting)
    return seen


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_complex(row: Row, formed: set[str]) -> None:
    model = row.build()
    if row.refused is not None:
        with pytest.raises(NotStreamable, match=re.escape(row.refused)):
            check_rule(model, row.inputs)
    else:
        contract = check_rule(model, row.inputs, frames=24)
        assert (contract.delay, contract.max_context) == (row.delay, row.max_context)
        assert row.op in formed


def test_every_form_has_a_case() -> None:
    assert {str(op) for op in FORMS} - {row.op for row in ROWS} == WITHOUT_CASE


#: Registered for graphs that other ways lead to: saved programs and later versions of torch.
WITHOUT_CASE = {
    "aten._unsafe_view.default",
    "aten.t.default",
    "aten.squeeze.default",
    "aten.alias.default",
    "aten.detach.default",
    "aten.resolve_conj.default",
    "aten.real.default",
    "aten.imag.default",
    "aten.constant_pad_nd.default",
    "aten.index_select.default",
    "aten.gather.default",
    "aten.sum.default",
    "aten.mean.default",
}


def test_a_file_has_no_complex_numbers(tmp_path: Path) -> None:
    rotary = next(row for row in ROWS if row.case == "rotary positions")
    exported = export(rotary.build(), rotary.inputs, tmp_path / "m.onnx")
    assert exported.verification.passed
    graph = onnx.shape_inference.infer_shapes(onnx.load(exported.path)).graph
    types = {value.type.tensor_type.elem_type for value in graph.value_info}
    types |= {tensor.data_type for tensor in graph.initializer}
    assert onnx.TensorProto.FLOAT in types
    assert not types & {onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128}


def test_a_complex_input_is_refused_with_a_remedy() -> None:
    with pytest.raises(UsageError, match=r"view_as_complex"):
        check_rule(Called(lambda _, x: x.abs(), {}), {"x": FRAMES.replace("float32", "complex64")})
