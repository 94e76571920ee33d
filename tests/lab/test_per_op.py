"""Where the time of a step goes: reading a profile, taking the profiler off, naming modules, telling it."""

import json
from typing import Any

import pytest

from edgeseq.contract import Contract, State
from edgeseq.demo.shipped import FOLDER
from edgeseq.errors import EdgeseqError, ProviderError, UsageError
from edgeseq.lab.per_op import describe, profile
from edgeseq.lab.per_op.origins import carried, origins
from edgeseq.lab.per_op.per_op import PerOp, made
from edgeseq.lab.per_op.trace import MOST_EVENTS, Run, by_step, median_us, medians, read_trace
from edgeseq.modelgraph import Graph, Node, Tensor
from edgeseq.structure import Cost, Part

GIVEN = {"path": "/a/m.onnx", "steps": 3, "position": 5, "batch": 1, "frames": 1, "threads": 1}


def event(name: str, ts: int, dur: int, op: str | None = None) -> dict[str, Any]:
    args = {} if op is None else {"op_name": op}
    kind = "Session" if op is None else "Node"
    return {
        "cat": kind,
        "name": name if op is None else f"{name}_kernel_time",
        "ts": ts,
        "dur": dur,
        "ph": "X",
        "args": args,
    }


def step(begin: int, product: int) -> list[dict[str, Any]]:
    """A run with a loop of 30 us, in which a product runs twice, and a sum after it; written as they end."""
    inner = [event("p", begin + 3, product, "MatMul"), event("p", begin + 15, product, "MatMul")]
    return [
        *inner,
        event("loop", begin + 2, 30, "Scan"),
        event("a", begin + 35, 2, "Add"),
        event("model_run", begin, 40),
    ]


def test_what_runs_inside_a_node_is_taken_off_it() -> None:
    events = [event("session_initialization", 0, 900), *step(1000, 8), *step(2000, 10), {"ph": "M", "name": "other"}]
    runs = read_trace(json.dumps(events))
    keys = ("loop", "Scan"), ("p", "MatMul"), ("a", "Add")
    assert [run.nodes_us for run in runs] == [dict(zip(keys, us, strict=True)) for us in ((14, 16, 2), (10, 20, 2))]
    assert (runs[0].counts[keys[1]], runs[0].inside, runs[0].whole_us) == (2, {keys[0]: 2}, 40)
    found = {node.name: node for node in medians(by_step(runs, 2, 0))}
    assert (found["p"].times, found["loop"].inside, found["a"].us) == (2, 2, 2.5)


def test_medians_of_cut_microseconds_lie_between_them() -> None:
    assert median_us([3, 3, 3]) == 3.5
    assert 3.5 < median_us([3, 3, 4, 4, 4]) < 4.5


def test_steps_of_several_runs_and_a_profile_that_was_cut_short() -> None:
    runs = [Run(us) for us in range(10)]
    assert [[run.whole_us for run in each] for each in by_step(runs, 3, 2)] == [[4, 5], [6, 7], [8, 9]]
    with pytest.raises(ProviderError, match=f"it ends after {MOST_EVENTS:,} events") as caught:
        by_step(runs[:-1], 3, 2)
    assert "got 9 runs, wanted as many in each of 5 steps" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", '[{"ph": "X", "name": "n"}]'])
def test_a_profile_that_cannot_be_read_is_an_error_of_the_engine(text: str) -> None:
    with pytest.raises(ProviderError, match="cannot read onnxruntime's profile"):
        read_trace(text)


def traced(name: str, op: str, module: str | None, us: float, times: float = 1, inside: float = 0) -> dict[str, Any]:
    return {"name": name, "op": op, "module": module, "us": us, "times": times, "inside": inside}


def value(plain_us: float) -> PerOp:
    nodes = [
        traced("loop", "Scan", "rnn", 20, inside=4),
        traced("p", "MatMul", "rnn", 18, times=4),
        traced("h", "MatMul", "", 5),
        traced("a", "Add", None, 2.2),
    ]
    found = {"plain_us": plain_us, "traced_us": 60, "run_us": 50, "empty_us": 2.5, "gap_us": 2, "nodes": nodes}
    return made(GIVEN, found)


def test_what_the_profiler_adds_is_taken_off() -> None:
    found = value(30)
    assert [node.net_us for node in found.nodes] == pytest.approx([20 - 2.5 - 8, 8, 2.5, 0])
    assert found.rest_us == pytest.approx(10)
    assert (found.excess, found.slowdown) == (1, 2)
    assert [(group.name, group.nodes) for group in found.ops] == [("MatMul", 2), ("Scan", 1), ("Add", 1)]
    assert [(group.name, group.net_us) for group in found.modules] == [("rnn", 17.5), ("(model)", 2.5), ("?", 0)]
    assert json.loads(json.dumps(found.to_dict()))["ops"][0]["share"] == pytest.approx(10.5 / 30)


def test_nodes_never_add_up_to_more_than_a_step() -> None:
    found = value(12)
    assert found.excess > 1
    assert sum(node.share for node in found.nodes) == pytest.approx(1, abs=1e-3)
    assert found.rest_us == pytest.approx(0, abs=0.02)


def test_a_table_for_a_person() -> None:
    lines = describe(value(30)).splitlines()
    assert lines[0] == ("where a step of m.onnx goes: median of 3 steps from position 5, 1 stream, 1 frame, 1 thread")
    assert lines[2:8] == [
        "operator     nodes    us  share",
        "MatMul       2      10.5   35 %",
        "Scan         1       9.5   32 %",
        "Add          1       0.0    0 %",
        "around them         10.0   33 %",
        "a step              30.0",
    ]
    assert lines[-3] == "The profiler makes a step 2.0 times as long (60.0 us in place of 30.0 us)."
    assert "and so is every small node here" in describe(value(12))


def part(path: str, alike: int = 1) -> Part:
    return Part(path, "", path.count("."), alike, "", None, None, (), Cost())


def node(name: str, op: str, inputs: str, output: str) -> Node:
    return Node(name, op, tuple(inputs.split()), (output,))


def test_modules_are_told_from_parameters_states_and_neighbours() -> None:
    prefix = "constants.model.blocks._1"
    nodes = [
        node("n0", "Cast", "x", "a"),
        node("n1", "Add", f"a {prefix}.up.bias shared", "b"),
        node("n2", "Gelu", "b", "c"),
        node("n3", "MatMul", "c val_1", "d"),
        node("n4", "Cast", "d", "e"),
        node("n5", "Add", f"e {prefix}.down.bias", "f"),
        node("n6", "Attention", "f kv", "g"),
        node("head/MatMulNBits.0", "MatMulNBits", "g shared", "y"),
    ]
    names = [f"{prefix}.up.bias", f"{prefix}.down.bias", "val_1", "shared"]
    graph = Graph(nodes, {name: Tensor(name, (4,), 32) for name in names})
    state = State("blocks.1.keys", "kv", "kv.next", "kv", "float32", (1,))
    known = (part(""), part("blocks.0-3", 4), part("blocks.0.up"), part("blocks.0.down"), part("head"))
    assert origins(graph, Contract((), (state,), modules=known)) == {
        "a": "",
        "b": "blocks.1.up",
        "c": "blocks.1",
        "d": "blocks.1.down",
        "e": "blocks.1",
        "f": "blocks.1.down",
        "g": "blocks.1",
        "y": "head",
    }
    told = origins(graph, Contract((), ()))
    assert (told["b"], told["d"], told["y"]) == ("blocks.1.up", "blocks.1.down", "")
    assert origins(Graph(nodes[:1]), Contract((), ())) == {}


def test_nodes_that_the_engine_changed_keep_their_modules() -> None:
    nodes = [node("", "Reorder", "x", "r0"), node("c", "Conv", "r0", "r1"), node("", "Reorder", "r1", "y")]
    nodes += [node("s", "Shape", "q", "both"), node("d", "Add", "both y", "z"), node("e", "Add", "both z", "o")]
    found = carried(Graph(nodes), {"y": "conv", "z": "head", "o": "tail"})
    assert found == {"y": "conv", "z": "head", "o": "tail", "r1": "conv", "r0": "conv"}


def test_a_shipped_model_from_a_fresh_process() -> None:
    found = profile(FOLDER / "gpt.onnx", steps=20, position=1070, batch=2)
    assert {node.op for node in found.nodes} >= {"MatMul", "GroupQueryAttention"}
    attention = [node for node in found.nodes if node.op == "GroupQueryAttention"]
    assert [(node.module, node.times) for node in attention] == [("blocks.0", 1), ("blocks.1", 1)]
    assert min(found.plain_us, found.traced_us, found.run_us, found.empty_us) > 0
    assert describe(found).count("GroupQueryAttention") >= 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 0}, "steps must be a whole number from 1"),
        ({"steps": 10**6}, "a profile of so many steps is not kept whole"),
        ({"position": 1100}, "there is no step to time at that position"),
        ({"batch": True}, "batch must be a whole number from 1"),
    ],
)
def test_what_means_nothing_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        profile(FOLDER / "gpt.onnx", **given)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(EdgeseqError, match="there is no file"):
        profile(FOLDER / "none.onnx")
