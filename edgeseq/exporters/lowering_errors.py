"""What went wrong on the way from a step graph to ONNX, said in terms of the op and of where its ONNX form belongs."""

from __future__ import annotations

import re

import onnx_ir as ir
import torch

from edgeseq.errors import CaptureError, EdgeseqError, RuleError
from edgeseq.exporters.capture_errors import without_fake_kernel

#: What torch.export and torch.onnx.export raise on graphs that they cannot take.
TRACE_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    NotImplementedError,
    torch._dynamo.exc.TorchDynamoException,
    torch._subclasses.fake_tensor.UnsupportedOperatorException,
)
TRANSLATE_ERRORS = (torch.onnx.OnnxExporterError, ir.passes.PassError)

_UNKNOWN_OP = re.compile(r"No ONNX function found for <OpOverload\(op='([\w.]+)', overload='(\w+)'\)>")
_FAILED_NODE = re.compile(r"Error when translating node .*?\[target=torch\.ops\.([\w.]+)\]")
_OWN_DOMAINS = {"portable": ("", "ai.onnx"), "ort": ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")}


def not_traced(error: Exception, foreign: bool) -> EdgeseqError:
    """The error of a step that works on tensors and cannot be traced with a symbolic batch and chunk.

    ``foreign``: rules of other packages have a part in it.
    """
    if (op := without_fake_kernel(error)) is not None:
        return RuleError(
            f"{op} has no fake kernel",
            why="the step is traced without values",
            do="register one with torch.library.register_fake",
        )
    if not foreign:
        return CaptureError("the step of this model cannot be traced", why=_first_line(error), do="report this with it")
    return RuleError(
        "the step cannot be traced",
        why=_first_line(error),
        do="a rule must not turn the sizes of a call into Python numbers, nor loop over the frames of a chunk",
    )


def not_translated(error: Exception) -> EdgeseqError:
    """The error of a step graph that torch.onnx could not write: the op, and where its ONNX form is given."""
    chain = [error]
    while chain[-1].__cause__ is not None and isinstance(chain[-1].__cause__, Exception):
        chain.append(chain[-1].__cause__)
    for link in chain:
        if unknown := _UNKNOWN_OP.search(str(link)):
            return _without_form(*unknown.groups())
    failed = next((found[1] for link in chain if (found := _FAILED_NODE.search(str(link)))), None)
    return RuleError(
        f"the ONNX form of {failed.removesuffix('.default') if failed else 'the step'} cannot be built",
        why=_first_line(chain[-1]),
        do="if the form is a package's own, correct it; otherwise report this with the model",
    )


def _without_form(op: str, overload: str) -> RuleError:
    namespace, _, word = op.partition(".")
    name = f"{namespace}::{word}" + ("" if overload == "default" else f".{overload}")
    return RuleError(
        f"{op} has no ONNX form",
        why="torch.onnx knows no way to write it",
        do=f"give one beside a rule: StreamingRule(rule, lowering={{'{name}': ...}}), as docs/rules.md says",
    )


def check_domains(model: ir.Model, ops: str) -> None:
    """RuleError where the model holds an op of a domain that the op set ``ops`` does not have."""
    known = _OWN_DOMAINS[ops]
    for node in model.graph.all_nodes():
        if node.domain not in known:
            raise RuleError(
                f"an ONNX form holds {node.domain}::{node.op_type}",
                why=f"with ops={ops!r} the file may hold ops of {', '.join(domain for domain in known if domain)}",
                do="build the form from those",
            )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300].rstrip(".") if lines else type(error).__name__
