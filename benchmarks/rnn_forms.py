"""One step of nn.RNN (tanh) in three ONNX forms: the RNN op, its matrix products written out, an If between both.

python -m benchmarks.rnn_forms [--runs 9] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.alternate import Comparison
from benchmarks.result import Figure
from benchmarks.script import Script, main
from benchmarks.step_overhead import timed

FEATURES = 64
SIZES = (128, 512)
FORMS = {"op": "the RNN op", "products": "MatMul, MatMul, Add, Add, Tanh", "if": "an If between both"}
HEAD = """\
<ir_version: 10, opset_import: ["": 22]>
rnn (float[time,batch,{features}] x, float[1,batch,{hidden}] h)
 => (float[time,batch,{hidden}] y, float[1,batch,{hidden}] h_next)
"""
OP = """
    {every}, {h} = RNN <hidden_size = {hidden}> (x, w, r, b, , h)
    one = Constant <value_ints = [1]> ()
    {y} = Squeeze({every}, one)
"""
PRODUCTS = """
    from_x = MatMul(x, wt)
    from_h = MatMul(h, rt)
    sum = Add(from_x, from_h)
    biased = Add(sum, bias)
    {y} = Tanh(biased)
    {h} = Identity({y})
"""
BODIES = {"op": OP, "products": PRODUCTS}


def graph(form: str, hidden: int) -> str:
    """The graph of one form in ONNX's text syntax."""
    head = HEAD.format(features=FEATURES, hidden=hidden)
    if form in BODIES:
        return f"{head}{{{body(form, 'y', 'h_next', hidden)}}}"
    branches = {name: branch(name, hidden) for name in BODIES}
    return f"""{head}{{
    frames = Shape <start = 0, end = 1> (x)
    single = Constant <value_ints = [1]> ()
    equal = Equal(frames, single)
    condition = Squeeze(equal)
    y, h_next = If (condition) <then_branch = {branches["products"]}, else_branch = {branches["op"]}>
}}"""


def body(form: str, y: str, h: str, hidden: int) -> str:
    """The nodes of one form, its results named ``y`` and ``h``."""
    return BODIES[form].format(y=y, h=h, every=f"{y}_every", hidden=hidden)


def branch(form: str, hidden: int) -> str:
    """One form as a branch of an If."""
    y, h = f"{form}_y", f"{form}_h"
    ends = f"(float[time,batch,{hidden}] {y}, float[1,batch,{hidden}] {h})"
    return f"{form}_branch () => {ends} {{{body(form, y, h, hidden)}}}"


def write_files(folder: Path) -> None:
    """Every form in every size, with the same weights."""
    import onnx.numpy_helper
    import onnx.parser

    for hidden in SIZES:
        for form in FORMS:
            model = onnx.parser.parse_model(graph(form, hidden))
            for name, value in weights(hidden).items():
                if form != ("products" if name in ("w", "r", "b") else "op"):
                    model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
            onnx.checker.check_model(model, full_check=True)
            onnx.save(model, str(folder / f"{form}_{hidden}.onnx"))


def weights(hidden: int) -> dict[str, np.ndarray]:
    """Weights for the RNN op, and the same turned for the products."""
    random = np.random.default_rng(0)
    w, r, b = (
        (random.standard_normal(shape) / hidden**0.5).astype(np.float32)
        for shape in ((1, hidden, FEATURES), (1, hidden, hidden), (1, 2 * hidden))
    )
    bias = b[0, :hidden] + b[0, hidden:]
    return {"w": w, "r": r, "b": b, "wt": w[0].T.copy(), "rt": r[0].T.copy(), "bias": bias}


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median step of one form and size: two bindings that take turns."""
    hidden = int(subject.split("_")[1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / f"{subject}.onnx"), options, ["CPUExecutionProvider"])
    place = onnxruntime.OrtValue.ortvalue_from_numpy
    x = place(np.random.default_rng(1).standard_normal((1, 1, FEATURES)).astype(np.float32))
    y, *states = (place(np.zeros((1, 1, hidden), np.float32)) for _ in range(3))
    bindings = [session.io_binding() for _ in range(2)]
    for side, binding in enumerate(bindings):
        binding.bind_ortvalue_input("x", x)
        binding.bind_ortvalue_input("h", states[side])
        binding.bind_ortvalue_output("y", y)
        binding.bind_ortvalue_output("h_next", states[1 - side])
    run, (first, second) = session.run_with_iobinding, bindings

    def both() -> None:
        run(first)
        run(second)

    return {"step_us": timed(both, steps // 2) / 2}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Every form's step, size by size, and the two others over the RNN op."""
    steps = [
        Figure(f"{words}, {hidden}", "us", found.of(f"{form}_{hidden}.step_us"))
        for hidden in SIZES
        for form, words in FORMS.items()
    ]
    ratios = [
        Figure(f"{form} / op, {hidden}", "ratio", found.ratio(f"{form}_{hidden}.step_us", f"op_{hidden}.step_us"))
        for hidden in SIZES
        for form in ("products", "if")
    ]
    return (*steps, *ratios)


SCRIPT = Script(
    name="rnn_forms",
    title="Which ONNX form of nn.RNN is fastest",
    about=f"One frame of nn.RNN with tanh, {FEATURES} features to 128 and to 512, batch 1, over two pre-built bindings."
    " The RNN op takes any number of frames; the products written out take one; an If between both takes any.",
    subjects=tuple(f"{form}_{hidden}" for hidden in SIZES for form in FORMS),
    measure=measure,
    figures=figures,
    runs=9,
    steps=20_000,
    files={"handmade": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
