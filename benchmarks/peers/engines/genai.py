"""onnxruntime-genai over edgeseq's own graph of the GPT, its inputs named as genai names them.

genai's model builder makes Llama-like networks alone; its run time takes any decoder that its configuration describes.
So weights and kernels are those of edgeseq's file, and what differs is the loop around them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array

VOCABULARY = 65


def prepare(case: Case, folder: Path) -> None:
    """Write ``genai/model.onnx`` and its configuration."""
    import onnx

    model = onnx.load(folder / "ort.onnx")
    rename(model.graph, case.layers)
    position_from_mask(model.graph)
    work = folder / "genai"
    work.mkdir(exist_ok=True)
    onnx.save(model, work / "model.onnx")
    (work / "genai_config.json").write_text(json.dumps(configuration(case), indent=1), encoding="utf-8")


def rename(graph: Any, layers: int) -> None:
    """Give every input and output genai's name; the position goes, genai has none."""
    names = {"tokens": "input_ids", "output": "logits"}
    for layer in range(layers):
        for part, short in (("keys", "key"), ("values", "value")):
            names[f"blocks.{layer}.{part}"] = f"past_key_values.{layer}.{short}"
            names[f"blocks.{layer}.{part}.next"] = f"present.{layer}.{short}"
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for side in (node.input, node.output):
            side[:] = [names.get(name, name) for name in side]
    for side, gone in ((graph.input, "position"), (graph.output, "position.next")):
        side.remove(next(value for value in side if value.name == gone))


def position_from_mask(graph: Any) -> None:
    """Make the position as genai has it: the ones of the attention mask, less the tokens of this call."""
    from onnx import TensorProto, helper

    graph.input.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total"]))
    graph.initializer.append(helper.make_tensor("genai.axis", TensorProto.INT64, [1], [1]))
    made = [
        helper.make_node("ReduceSum", ["attention_mask", "genai.axis"], ["genai.total"], keepdims=0),
        helper.make_node("Shape", ["input_ids"], ["genai.tokens"], start=1, end=2),
        helper.make_node("Sub", ["genai.total", "genai.tokens"], ["position"]),
    ]
    nodes = [*made, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def configuration(case: Case) -> dict[str, Any]:
    """``genai_config.json``: one thread, caches that are written in place."""
    heads = 6
    return {
        "model": {
            "type": "llama",
            "bos_token_id": 0,
            "pad_token_id": 0,
            "eos_token_id": VOCABULARY - 1,
            "vocab_size": VOCABULARY,
            "context_length": 8_192,
            "decoder": {
                "session_options": {"intra_op_num_threads": 1, "inter_op_num_threads": 1, "provider_options": []},
                "filename": "model.onnx",
                "head_size": case.hidden // heads,
                "hidden_size": case.hidden,
                "num_attention_heads": heads,
                "num_key_value_heads": heads,
                "num_hidden_layers": case.layers,
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
            },
        },
        "search": {"max_length": case.capacity + 1, "past_present_share_buffer": True},
    }


def import_packages() -> None:
    """onnxruntime-genai."""
    import onnxruntime_genai  # noqa: F401


class Generated:
    """A generator that is given every token; reading the logits of one is part of its step."""

    def __init__(self, generator: Any, start: int) -> None:
        self._generator, self._start = generator, start

    def step(self, frame: Array) -> Array:
        """One token."""
        self._generator.append_tokens(frame.astype(np.int32))
        out: Array = self._generator.get_output("logits")
        return out

    def reset(self) -> None:
        """To the first step."""
        self._generator.rewind_to(self._start)


def open_step(case: Case, folder: Path) -> Generated:
    """A generator that has taken what is before the window; genai has no other way to fill its caches."""
    import onnxruntime_genai

    model = onnxruntime_genai.Model(str(folder / "genai"))
    settings = onnxruntime_genai.GeneratorParams(model)
    settings.set_search_options(max_length=case.capacity + 1, past_present_share_buffer=True)
    generator = onnxruntime_genai.Generator(model, settings)
    generator.append_tokens(np.load(folder / "before.npy").astype(np.int32))
    return Generated(generator, case.start)
