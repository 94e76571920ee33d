"""A recurrent network for single frames written out in matrix products, as PyTorch-like engines run it.

What it costs on onnxruntime tells the kernel of an RNN, LSTM or GRU op from what surrounds it. The weights are random:
a product takes as long whatever the numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.bare import bound_run_us
from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array

FEATURES, ANSWER = 64, 32
HEAD = '<ir_version: 10, opset_import: ["": 22]>\n'
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
#: One layer from ``x{n}``, ``h{n}`` (and ``c{n}``) to ``x{next}``, its state; ``w``, ``r``, ``b`` hold all gates.
LAYERS = {
    "RNN": """
        xw{n} = MatMul(x{n}, w{n})
        hr{n} = MatMul(h{n}, r{n})
        sum{n} = Add(xw{n}, hr{n})
        biased{n} = Add(sum{n}, b{n})
        x{next} = Tanh(biased{n})""",
    "LSTM": """
        xw{n} = MatMul(x{n}, w{n})
        hr{n} = MatMul(h{n}, r{n})
        sum{n} = Add(xw{n}, hr{n})
        biased{n} = Add(sum{n}, b{n})
        i{n}, f{n}, g{n}, o{n} = Split <axis = -1, num_outputs = 4> (biased{n})
        is{n} = Sigmoid(i{n})
        fs{n} = Sigmoid(f{n})
        gt{n} = Tanh(g{n})
        os{n} = Sigmoid(o{n})
        kept{n} = Mul(fs{n}, c{n})
        new{n} = Mul(is{n}, gt{n})
        c{n}_next = Add(kept{n}, new{n})
        ct{n} = Tanh(c{n}_next)
        x{next} = Mul(os{n}, ct{n})""",
    "GRU": """
        xw{n} = MatMul(x{n}, w{n})
        xb{n} = Add(xw{n}, b{n})
        hr{n} = MatMul(h{n}, r{n})
        hb{n} = Add(hr{n}, rb{n})
        xr{n}, xz{n}, xn{n} = Split <axis = -1, num_outputs = 3> (xb{n})
        hr_r{n}, hz{n}, hn{n} = Split <axis = -1, num_outputs = 3> (hb{n})
        rsum{n} = Add(xr{n}, hr_r{n})
        zsum{n} = Add(xz{n}, hz{n})
        reset{n} = Sigmoid(rsum{n})
        update{n} = Sigmoid(zsum{n})
        gated{n} = Mul(reset{n}, hn{n})
        nsum{n} = Add(xn{n}, gated{n})
        fresh{n} = Tanh(nsum{n})
        apart{n} = Sub(h{n}, fresh{n})
        part{n} = Mul(update{n}, apart{n})
        x{next} = Add(fresh{n}, part{n})""",
}


def products_us(case: Case, steps: int) -> float | None:
    """The median run of the network written out, everything bound once; None of a GPT, which has no other form."""
    if case.position is not None:
        return None
    state = np.zeros((1, 1, case.hidden), np.float32)
    numbers = range(case.layers)
    inputs = {"x0": np.zeros((1, 1, FEATURES), np.float32), **{f"h{n}": state for n in numbers}}
    outputs = {"answer": np.zeros((1, 1, ANSWER), np.float32), **{f"x{n + 1}": state for n in numbers}}
    if case.kind == "LSTM":
        inputs |= {f"c{n}": state for n in numbers}
        outputs |= {f"c{n}_next": state for n in numbers}
    return bound_run_us(written_out(case, inputs, outputs), inputs, outputs, steps)


def written_out(case: Case, inputs: dict[str, Array], outputs: dict[str, Array]) -> Any:
    """The graph as an ONNX model."""
    import onnx

    body = "".join(LAYERS[case.kind].format(n=n, next=n + 1) for n in range(case.layers))
    head = f"\n        raw = MatMul(x{case.layers}, head)\n        answer = Add(raw, head_bias)\n"
    given, made = (", ".join(map(port, side.items())) for side in (inputs, outputs))
    model = onnx.parser.parse_model(f"{HEAD}step ({given}) => ({made}) {{{body}{head}}}")
    for name, array in weights(case).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.checker.check_model(model)
    return model


def port(named: tuple[str, Array]) -> str:
    """An input or output as ONNX's text syntax has it."""
    name, array = named
    return f"float[{','.join(map(str, array.shape))}] {name}"


def weights(case: Case) -> dict[str, Array]:
    """Random numbers in the shapes of the network."""
    random, hidden = np.random.default_rng(0), case.hidden
    width = GATES[case.kind] * hidden
    shapes: dict[str, tuple[int, ...]] = {"head": (hidden, ANSWER), "head_bias": (ANSWER,)}
    for n in range(case.layers):
        shapes |= {f"w{n}": (hidden if n else FEATURES, width), f"r{n}": (hidden, width), f"b{n}": (width,)}
        if case.kind == "GRU":
            shapes[f"rb{n}"] = (width,)
    return {name: random.standard_normal(shape).astype(np.float32) / 16 for name, shape in shapes.items()}
