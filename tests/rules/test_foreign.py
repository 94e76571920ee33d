"""Ops of other packages: their rules, their ONNX forms, what the file says of them, and every slip by its text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnxscript import FLOAT, opset18, opset22, script
from torch import nn

import edgeseq
from edgeseq.cli.summary import describe
from edgeseq.contract import Contract
from edgeseq.errors import CaptureError, EdgeseqError, NotStreamable, RuleError, UsageError
from edgeseq.exporters import export
from edgeseq.exporters.rules import Rules, StreamingRule, Timed, pointwise, ready, result_shape
from edgeseq.exporters.rules.foreign import origin_of
from edgeseq.testing import check_rule
from tests.rules import mylib
from tests.rules.mylib import ops
from tests.rules.row import FRAMES, Called, headed

Function = Callable[..., Any]
HERE = "tests.rules.test_foreign"
EMPHASIS: Rules = {"mylib_test::emphasis": mylib.emphasis_rule}


def model(function: Function) -> Called:
    return Called(lambda _, *inputs: function(*inputs), {})


def emphasized() -> nn.Module:
    return model(lambda x: ops.emphasis(headed(x)))


def told(
    rules: Any, function: Function = ops.emphasis, kind: type[EdgeseqError] = UsageError, spec: str = FRAMES
) -> str:
    """What check_rule says to rules that have a slip."""
    with pytest.raises(kind) as caught:
        check_rule(model(function), {"x": spec}, rules=rules)
    assert type(caught.value) is kind
    return str(caught.value)


# -- what works --------------------------------------------------------------------------------------------------------


def test_a_rule_of_torch_ops_alone_exports(tmp_path: Path) -> None:
    check_rule(emphasized(), {"x": FRAMES}, rules=EMPHASIS)
    exported = export(emphasized(), {"x": FRAMES}, tmp_path / "m.onnx", rules=EMPHASIS)
    assert exported.contract.rules == {"mylib_test::emphasis": "tests.rules.mylib.emphasis_rule"}
    assert exported.contract.receptive_field == 2
    x = np.random.default_rng(0).standard_normal((1, 12, 4)).astype(np.float32)
    stream = edgeseq.load(exported.path).stream()
    found = np.concatenate([stream.step(x[:, :1]), stream.step(x[:, 1:7]), stream.step(x[:, 7:]), stream.flush()], 1)
    np.testing.assert_allclose(found, emphasized()(torch.from_numpy(x)).numpy(), atol=1e-6)


def test_several_results_and_an_onnx_form_export(tmp_path: Path) -> None:
    peaks = model(lambda x: ops.peak(headed(x), 0.8))
    rules: Rules = {"mylib_test::peak": mylib.PEAK}
    check_rule(peaks, {"x": FRAMES}, rules=rules)
    for choice in ("ort", "portable"):
        exported = export(peaks, {"x": FRAMES}, tmp_path / f"{choice}.onnx", ops=choice, rules=rules)
        assert exported.verification.passed
        assert exported.contract.opset == {"ai.onnx": 22}
    again = export(peaks, {"x": FRAMES}, tmp_path / "again.onnx", ops="portable", rules=rules)
    assert again.path.read_bytes() == exported.path.read_bytes()


def test_an_elementwise_op_takes_the_rule_of_all_elementwise_ops(tmp_path: Path) -> None:
    both = model(lambda x, y: ops.softsign(headed(x)) + ops.softsign(y)[:, None])
    inputs = {"x": FRAMES, "y": "float32[batch,4]"}
    entry = StreamingRule(pointwise.pointwise, lowering={"mylib_test::softsign": mylib.softsign_onnx})
    exported = export(both, inputs, tmp_path / "m.onnx", rules={"mylib_test::softsign": entry})
    assert exported.verification.passed


def test_a_rule_asks_for_a_keyword_argument_by_name() -> None:
    varying = model(lambda x, y: ops.varying(x, k=y))
    inputs = {"x": FRAMES, "y": FRAMES}
    check_rule(varying, inputs, rules={"mylib_test::varying": mylib.varying_rule})
    later = model(lambda x, y: ops.varying(x, k=headed(y)))
    with pytest.raises(NotStreamable, match="k comes at another time than x"):
        check_rule(later, inputs, rules={"mylib_test::varying": mylib.varying_rule})


def test_a_keyword_argument_that_a_rule_does_not_name_is_refused() -> None:
    def blind(step: Any, facts: Any, x: torch.Tensor, **_: Any) -> Any:
        return mylib.emphasis_rule(step, facts, x)

    with pytest.raises(NotStreamable, match="its keyword argument k depends on the input or on its length"):
        check_rule(
            model(lambda x, y: ops.varying(x, k=y)),
            {"x": FRAMES, "y": FRAMES},
            rules={"mylib_test::varying": blind},
        )


def test_facts_are_known_by_position_and_by_name() -> None:
    seen: list[Any] = []

    def looking(step: Any, facts: Any, x: torch.Tensor, k: float = 0.9) -> Any:
        seen.extend([facts[0], facts["x"], facts["k"], facts["nothing"], len(facts)])
        return mylib.emphasis_rule(step, facts, x, k)

    check_rule(model(lambda x: ops.emphasis(x, 0.5)), {"x": FRAMES}, rules={"mylib_test::emphasis": looking})
    assert isinstance(seen[0], Timed)
    assert seen[1] is seen[0]
    assert seen[2:5] == [None, None, 2]


# -- what the file says ------------------------------------------------------------------------------------------------


def test_inspect_prints_where_a_rule_came_from(tmp_path: Path) -> None:
    exported = export(emphasized(), {"x": FRAMES}, tmp_path / "m.onnx", rules=EMPHASIS)
    text = describe(exported.path, exported.contract)
    assert "foreign rules    mylib_test::emphasis by tests.rules.mylib.emphasis_rule" in text
    assert Contract.from_json(exported.contract.to_json()).rules == exported.contract.rules


def test_only_rules_that_were_used_are_told() -> None:
    static = model(lambda x, y: x + ops.emphasis(y)[:, :1])
    contract = check_rule(static, {"x": FRAMES, "y": "float32[batch,7,4]"}, rules=EMPHASIS)
    assert contract.rules == {}


class Instance:
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("rule", "origin"),
    [
        (mylib.emphasis_rule, "tests.rules.mylib.emphasis_rule"),
        (functools.partial(mylib.emphasis_rule, k=0.5), "tests.rules.mylib.emphasis_rule"),
        (Instance(), f"{HERE}.Instance"),
        (pointwise.pointwise, f"edgeseq.exporters.rules.pointwise.pointwise (edgeseq {edgeseq.__version__})"),
    ],
    ids=["function", "partial", "instance", "of an installed package"],
)
def test_origin(rule: Any, origin: str) -> None:
    assert origin_of(rule) == origin


# -- slips in rules= ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["emphasis", "mylib_test.emphasis", "mylib_test::", "a::b::c", "a::b.c.d", 7])
def test_a_name_that_is_none(name: Any) -> None:
    text = told({name: mylib.emphasis_rule})
    assert text == (f"cannot read the name of an op (got {name!r}, wanted namespace::name, as 'mylib::scan').")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mylib_test::emphases", "no op is called mylib_test::emphases. Did you mean mylib_test::emphasis?"),
        ("nolib::scan", "no op is called nolib::scan. Import the module that registers it first."),
        (
            "mylib_test::emphasis.Tensor",
            "mylib_test::emphasis has no overload 'Tensor' (got 'mylib_test::emphasis.Tensor', wanted one of "
            "mylib_test::emphasis.default).",
        ),
    ],
)
def test_an_op_that_does_not_exist(name: str, text: str) -> None:
    assert told({name: mylib.emphasis_rule}) == text


def test_a_rule_that_is_none() -> None:
    text = told({"mylib_test::emphasis": 3})
    assert text.startswith("the rule of mylib_test::emphasis cannot be called (got 3, wanted a function rule(step, ")


def test_a_rule_for_an_op_that_has_one_names_both() -> None:
    text = told({"aten::conv1d": mylib.emphasis_rule})
    assert text == (
        "two streaming rules for aten::conv1d (got edgeseq.exporters.rules.convolution.convolution and "
        "tests.rules.mylib.emphasis_rule, wanted one)."
    )


def test_a_rule_given_under_two_names() -> None:
    text = told({"mylib_test::emphasis": mylib.emphasis_rule, "mylib_test::emphasis.default": mylib.varying_rule})
    assert text == (
        "two streaming rules for mylib_test::emphasis (got tests.rules.mylib.emphasis_rule and "
        "tests.rules.mylib.varying_rule, wanted one)."
    )


def test_a_rule_that_is_never_used_is_a_slip() -> None:
    text = told({**EMPHASIS, "mylib_test::peak": mylib.PEAK})
    assert text == (
        "the model never calls mylib_test::peak, for which rules= has a rule: of mylib_test the captured model calls "
        "mylib_test::emphasis. Check the name, or leave the rule out."
    )
    assert "of mylib_test the captured model calls nothing" in told(EMPHASIS, torch.relu)


def test_an_op_without_a_rule_says_how_to_give_one() -> None:
    text = told(None, kind=NotStreamable)
    assert "no streaming rule says how it treats time" in text
    assert text.endswith("give a rule as docs/rules.md says: rules={'mylib_test::emphasis': ...}.")


# -- slips in ONNX forms -----------------------------------------------------------------------------------------------


@script(default_opset=opset22)  # type: ignore[untyped-decorator]
def too_new(x: FLOAT) -> FLOAT:
    return opset22.Abs(x)


@script(default_opset=opset18)
def untyped(x, k, h, frames):  # type: ignore[no-untyped-def]
    return x, opset18.Identity(h)


def test_a_form_in_another_opset() -> None:
    text = told({"mylib_test::emphasis": StreamingRule(mylib.emphasis_rule, {"mylib_test::softsign": too_new})})
    assert text == (
        "the ONNX form of mylib_test::softsign is written in another opset than torch.onnx builds with "
        "(got opset22, wanted onnxscript.opset18, whatever opset the file gets)."
    )


def test_a_form_that_does_not_say_how_many_results_it_has() -> None:
    text = told({"mylib_test::peak": StreamingRule(mylib.peak_rule, {"mylib_test::peak_step": untyped})})
    assert text == (
        "the ONNX form of mylib_test::peak_step returns 2 values and does not say so. "
        "Annotate its return type, as in -> tuple[FLOAT, FLOAT]."
    )


def test_a_form_that_is_none() -> None:
    text = told({"mylib_test::emphasis": StreamingRule(mylib.emphasis_rule, {"mylib_test::softsign": None})})  # type: ignore[dict-item]
    assert text.startswith("the ONNX form of mylib_test::softsign cannot be called (got None")


def refused_export(function: Function, rules: Rules, folder: Path, kind: type[EdgeseqError], **kwargs: Any) -> str:
    with pytest.raises(kind) as caught:
        export(model(function), {"x": FRAMES}, folder / "m.onnx", rules=rules, **kwargs)
    assert type(caught.value) is kind
    assert list(folder.iterdir()) == []
    return str(caught.value)


def peak(x: torch.Tensor) -> torch.Tensor:
    return ops.peak(x, 0.8)[0]  # type: ignore[no-any-return]


def test_two_forms_of_one_op(tmp_path: Path) -> None:
    other = StreamingRule(mylib.emphasis_rule, {"mylib_test::softsign": torch.relu})
    rules: Rules = {
        "mylib_test::peak": StreamingRule(mylib.peak_rule, {"mylib_test::softsign": mylib.softsign_onnx}),
        "mylib_test::emphasis": other,
    }
    assert told(rules).startswith("two ONNX forms for mylib_test::softsign (got tests.rules.mylib.softsign_onnx and ")
    ours = StreamingRule(mylib.emphasis_rule, {"edgeseq::recurrent_layer": mylib.softsign_onnx})
    text = refused_export(ops.emphasis, {"mylib_test::emphasis": ours}, tmp_path, UsageError)
    assert text.startswith("two ONNX forms for edgeseq::recurrent_layer (got edgeseq.exporters.")


def test_an_op_without_an_onnx_form(tmp_path: Path) -> None:
    text = refused_export(peak, {"mylib_test::peak": mylib.peak_rule}, tmp_path, RuleError)
    assert text == (
        "mylib_test.peak_step has no ONNX form: torch.onnx knows no way to write it. Give one beside a rule: "
        "StreamingRule(rule, lowering={'mylib_test::peak_step': ...}), as docs/rules.md says."
    )


def test_an_onnx_form_that_fails(tmp_path: Path) -> None:
    def failing(*_: Any) -> Any:
        raise ValueError("no such gate")

    entry = StreamingRule(mylib.peak_rule, {"mylib_test::peak_step": failing})
    text = refused_export(peak, {"mylib_test::peak": entry}, tmp_path, RuleError)
    assert text.startswith("the ONNX form of mylib_test.peak_step cannot be built: no such gate.")


def test_an_onnx_form_of_an_op_that_onnxruntime_does_not_have(tmp_path: Path) -> None:
    import onnx
    from onnxscript.values import Op, Opset

    part = onnx.defs.OpSchema.FormalParameter
    schema = onnx.defs.OpSchema(
        "Sign",
        "mylib.ops",
        1,
        inputs=[part("x", "T")],
        outputs=[part("y", "T")],
        type_constraints=[("T", ["tensor(float)"], "")],
    )
    own = Op(Opset("mylib.ops", 1), "Sign", schema)
    entry = StreamingRule(pointwise.pointwise, {"mylib_test::softsign": lambda x: own(x)})
    text = refused_export(ops.softsign, {"mylib_test::softsign": entry}, tmp_path, RuleError)
    assert text == (
        "an ONNX form holds mylib.ops::Sign: with ops='ort' the file may hold ops of ai.onnx, ai.onnx.ml, "
        "com.microsoft. Build the form from those."
    )


# -- rules that break what every rule owes -----------------------------------------------------------------------------


def no_pair(_step: Any, _facts: Any, x: torch.Tensor) -> Any:
    return x


def other_shape(_step: Any, facts: Any, x: torch.Tensor) -> Any:
    return x, facts[0].with_(shape=(*facts[0].shape[:2], 5))


def other_value(_step: Any, facts: Any, x: torch.Tensor) -> Any:
    return x[:, 1:], facts[0]


def other_dtype(_step: Any, facts: Any, x: torch.Tensor) -> Any:
    return x.float(), facts[0]


def no_fact(_step: Any, _facts: Any, x: torch.Tensor) -> Any:
    return x, None


def forgotten_state(step: Any, facts: Any, x: torch.Tensor) -> Any:
    step.state("last", kind="conv", shape=(facts[0].shape[0], 4), dtype=x.dtype)
    return x, facts[0]


def growing_state(step: Any, facts: Any, x: torch.Tensor) -> Any:
    last = step.state("last", kind="conv", shape=(facts[0].shape[0], 4), dtype=x.dtype)
    last.next = torch.cat([last.value, last.value], 1)
    return x, facts[0]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (no_pair, "it returned something else than a value and its fact (got Tensor)"),
        (no_fact, "it must return a tensor and a Timed, Summary or Static fact (got Tensor, NoneType)"),
        (
            other_shape,
            "its fact has another shape than the whole sequence (got [batch, time, 5], wanted [batch, time, 4])",
        ),
        (
            other_value,
            "the value does not have the shape that Timed(axis=1, ratio=1, delay=0) says "
            "(got [2, 1, 4], wanted [2, 2, 4])",
        ),
        (
            other_dtype,
            "the value has another dtype than the whole sequence (got torch.float32, wanted torch.float64)",
        ),
        (
            forgotten_state,
            "it asked for the state emphasis.last and never said what it becomes (wanted state.next)",
        ),
        (
            growing_state,
            "the state emphasis.last changes its shape or dtype "
            "(got ((2, 8), torch.float64), wanted ((2, 4), torch.float64))",
        ),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_a_broken_rule_is_named(rule: Any, why: str) -> None:
    text = told({"mylib_test::emphasis": rule}, kind=RuleError)
    assert text == (
        f"the streaming rule of mylib_test.emphasis is broken at {HERE}.{rule.__name__}: {why}. "
        "See docs/rules.md for what a rule owes."
    )


def test_one_result_too_few() -> None:
    text = told({"mylib_test::peak": lambda _step, facts, x, _k: ([x], [facts[0]])}, peak, RuleError)
    assert "it must return a list of values and a list of facts (wanted 2 each)" in text


def test_a_rule_that_loops_over_the_frames_of_a_call(tmp_path: Path) -> None:
    def looping(step: Any, facts: Any, x: torch.Tensor) -> Any:
        x, fact, _ = ready(step, x, facts[0])
        return torch.stack([x[:, t] for t in range(x.shape[1])], 1), fact.with_(shape=result_shape(step))

    text = refused_export(ops.emphasis, {"mylib_test::emphasis": looping}, tmp_path, RuleError)
    assert text.startswith("the step cannot be traced: ")
    assert text.endswith("nor loop over the frames of a chunk.")


def test_ops_without_a_fake_kernel(tmp_path: Path) -> None:
    def emitting(step: Any, facts: Any, x: torch.Tensor) -> Any:
        return ops.unpretended(x), facts[0]

    text = refused_export(ops.emphasis, {"mylib_test::emphasis": emitting}, tmp_path, RuleError)
    assert text == (
        "mylib_test.unpretended has no fake kernel: the step is traced without values. "
        "Register one with torch.library.register_fake."
    )
    text = refused_export(ops.unpretended, {"mylib_test::unpretended": emitting}, tmp_path, CaptureError)
    assert text.startswith("mylib_test.unpretended has no fake kernel at ")
    assert text.endswith("a model is captured without values. Register one with torch.library.register_fake.")
