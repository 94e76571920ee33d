"""What it costs that every row of a product has a scale of its own: against one scale for all rows, and float32.

python -m benchmarks.row_scales [--runs 3] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from benchmarks.step_overhead import timed

INPUTS, OUTPUTS = 512, 1536
ROWS = (1, 16, 256)
FORMS = {
    "float": "float32",
    "tensor": "one scale",
    "rows": "a scale for each row",
    "signed": "one scale, signed",
    "blocks": "MatMulNBits",
    "level": "MatMulNBits without accuracy_level 4",
}


def write_files(folder: Path) -> None:
    """The same product in every form."""
    import onnx_ir as ir

    from edgeseq.quantization.configs import Scheme
    from edgeseq.quantization.kernels import Kernel
    from edgeseq.quantization.nodes import Nodes
    from edgeseq.quantization.rounding import per_output
    from edgeseq.quantization.targets import TARGETS

    matrix = (np.random.default_rng(0).standard_normal((OUTPUTS, INPUTS)) / INPUTS**0.5).astype(np.float32)
    schemes = {"rows": Scheme("rows", 8), "blocks": Scheme("blocks", 8, 128)}
    for form in FORMS:
        x = ir.Value(name="x", shape=ir.Shape(["rows", INPUTS]), type=ir.TensorType(ir.DataType.FLOAT))
        graph = ir.Graph([x], [], nodes=[], opset_imports={"": 22, "com.microsoft": 1}, name="product")
        model = ir.Model(graph, ir_version=10)
        nodes = Nodes(model, "product")
        if form in schemes:
            y = Kernel(schemes[form], TARGETS["x86-vnni"]).product(nodes, x, matrix, "product")
        elif form == "float":
            y = nodes.op("MatMul", [x, nodes.constant(matrix.T, "weights")])
        elif form == "level":
            y = Kernel(schemes["blocks"], TARGETS["x86-vnni"]).product(nodes, x, matrix, "product")
            nodes.made[-1].attributes.pop("accuracy_level")
        else:
            stored = per_output(matrix, 127)
            integers, scale, zero = nodes.several("DynamicQuantizeLinear", [x], 3)
            if form == "signed":
                scale, zero = nodes.shared(np.float32(1 / 32), "scale"), nodes.shared(np.int8(0), "signed")
                integers = nodes.op("QuantizeLinear", [x, scale, zero])
            sums = nodes.op("MatMulInteger", [integers, nodes.constant(stored.weights.T, "weights"), zero])
            wide = nodes.op("Mul", [nodes.op("Cast", [sums], to=ir.DataType.FLOAT), scale])
            y = nodes.op("Mul", [wide, nodes.constant(stored.scales, "scales")])
        graph.extend(nodes.made)
        y.name, y.shape, y.type = "y", ir.Shape(["rows", OUTPUTS]), ir.TensorType(ir.DataType.FLOAT)
        graph.outputs.append(y)
        ir.save(model, folder / f"{form}.onnx")


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median time of one product."""
    form, rows = subject.split("_")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / f"{form}.onnx"), options, ["CPUExecutionProvider"])
    binding, place = session.io_binding(), onnxruntime.OrtValue.ortvalue_from_numpy
    x = np.random.default_rng(1).standard_normal((int(rows), INPUTS)).astype(np.float32)
    binding.bind_ortvalue_input("x", place(x))
    binding.bind_ortvalue_output("y", place(np.zeros((int(rows), OUTPUTS), np.float32)))
    times = max(50, steps // int(rows))
    return {"product_us": timed(lambda: session.run_with_iobinding(binding), times)}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Each form's product by rows, and scales for rows over one for all."""
    products = [
        Figure(f"{words}, {rows} rows", "us", found.of(f"{form}_{rows}.product_us"))
        for rows in ROWS
        for form, words in FORMS.items()
    ]
    ratios = [
        Figure(
            f"a scale for each row / one scale, {rows} rows",
            "ratio",
            found.ratio(f"rows_{rows}.product_us", f"tensor_{rows}.product_us"),
            Wanted("at most", 1.3),
        )
        for rows in ROWS
    ]
    return (*products, *ratios)


SCRIPT = Script(
    name="row_scales",
    title="A scale for each row against one for all",
    about=f"A product of rows of {INPUTS} with a matrix of {OUTPUTS} columns in 8 bits, one thread: activations scaled"
    " by one scale for the call (DynamicQuantizeLinear), by one for each row, or inside MatMulNBits; and the two forms"
    " that are not taken: signed activations, and MatMulNBits without accuracy_level 4, which computes in float32.",
    subjects=tuple(f"{form}_{rows}" for rows in ROWS for form in FORMS),
    measure=measure,
    figures=figures,
    runs=3,
    steps=4_000,
    files={"products": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
