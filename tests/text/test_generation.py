"""Tokens one by one: the same as from whole sequences, in every way to begin, stop and go on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk
from edgeseq.errors import ContextFull, UsageError
from edgeseq.io.text import Sampling, generate, language_model
from tests import handmade, language_models
from tests.handmade import Handmade

PROMPT = [3, 1, 4]


def loaded(model: Handmade, folder: Path) -> runtime.Model:
    return runtime.load(model.save(folder / "m.onnx"))


@pytest.fixture
def model(tmp_path: Path) -> runtime.Model:
    return loaded(language_models.recurrent(), tmp_path)


def from_whole_sequences(count: int, sampling: Sampling, seed: int = 0, prompt: list[int] = PROMPT) -> list[int]:
    """Every token from the logits of all before it, in numpy."""
    tokens, generator, whole = list(prompt), np.random.default_rng(seed), language_models.recurrent().whole
    for _ in range(count):
        tokens.append(sampling.choose(whole(np.array([tokens]))[0][0, -1], generator))
    return tokens[len(prompt) :]


def never_after(tokens: list[int]) -> int:
    """A token that never follows the first two, which are the beginning of a stop sequence then and no more."""
    followers = {tokens[index + 2] for index in range(len(tokens) - 2) if tokens[index : index + 2] == tokens[:2]}
    return min(set(range(language_models.WORDS)) - followers)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0), Sampling(1.3, 5, 0.9)], ids=str)
def test_the_tokens_are_those_of_whole_sequences(model: runtime.Model, sampling: Sampling) -> None:
    settings: dict[str, Any] = {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
    generation = generate(model, PROMPT, max_tokens=30, seed=8, **settings)
    assert list(generation) == generation.chosen == from_whole_sequences(30, sampling, seed=8)
    assert generation.stopped_by == "max_tokens"
    assert generation.stream.position == len(PROMPT) + 29


def test_each_token_is_computed_when_it_is_asked_for(model: runtime.Model) -> None:
    generation = generate(model, PROMPT, max_tokens=5)
    positions = [generation.stream.position]
    positions += [generation.stream.position for _ in generation]
    assert positions == [0, 3, 4, 5, 6, 7]


def test_a_stream_goes_on_where_it_was(model: runtime.Model) -> None:
    wanted = from_whole_sequences(12, Sampling())
    first = generate(model, PROMPT, max_tokens=5)
    tokens = list(first)
    assert first.unseen == tokens[-1:]
    here = first.stream.snapshot()
    for stream in (first.stream.fork(), first.stream):
        assert tokens + list(generate(stream, first.unseen, max_tokens=7)) == wanted
    first.stream.restore(here)
    more = [*first.unseen, 2, 2]
    assert list(generate(first.stream, more, max_tokens=4)) == from_whole_sequences(
        4, Sampling(), prompt=[*PROMPT, *tokens, 2, 2]
    )


def test_a_generator_of_numbers_goes_on_too(model: runtime.Model) -> None:
    numbers = np.random.default_rng(8)
    first = generate(model, PROMPT, max_tokens=5, temperature=1.0, seed=numbers)
    tokens = list(first)
    tokens += generate(first.stream, first.unseen, max_tokens=5, temperature=1.0, seed=numbers)
    assert tokens == from_whole_sequences(10, Sampling(1.0), seed=8)


def test_it_stops_before_a_stop_sequence(model: runtime.Model) -> None:
    tokens = from_whole_sequences(30, Sampling(1.0))

    def stopped(*stop: Any) -> tuple[list[int], str | None]:
        generation = generate(model, PROMPT, max_tokens=30, temperature=1.0, seed=0, stop=stop)
        return list(generation), generation.stopped_by

    assert stopped(tokens[6]) == (tokens[: tokens.index(tokens[6])], "stop")
    assert stopped(*np.array(tokens[6:7])) == stopped(tokens[6])
    three = tokens[8:11]
    begin = next(index for index in range(30) if tokens[index : index + 3] == three)
    assert stopped(three) == (tokens[:begin], "stop")
    assert stopped([*tokens[:2], never_after(tokens)]) == (tokens, "max_tokens")
    assert stopped([*tokens[-2:], 0]) == (tokens, "max_tokens")  # begun at the end: given out after all


def test_a_stop_that_is_begun_is_held_back_and_given_out(model: runtime.Model) -> None:
    tokens = from_whole_sequences(5, Sampling())
    generation = generate(model, PROMPT, max_tokens=5, stop=[[*tokens[:2], never_after(tokens)]])
    assert next(generation) == tokens[0]
    assert generation.chosen == tokens[:3]
    assert generation.unseen == tokens[2:3]
    assert [tokens[0], *generation] == tokens


def test_who_ends_it_gets_no_more(model: runtime.Model) -> None:
    tokens = from_whole_sequences(5, Sampling())
    generation = generate(model, PROMPT, max_tokens=5, stop=[[*tokens[:2], never_after(tokens)]])
    assert [next(generation), next(generation)] == tokens[:2]
    assert len(generation.chosen) == 4  # those held back came free with the fourth, and are ready
    generation.end("stop")
    assert (list(generation), generation.stopped_by) == ([], "stop")


def test_it_ends_with_the_context(tmp_path: Path) -> None:
    model = loaded(language_models.recurrent(max_context=8), tmp_path)
    generation = generate(model, PROMPT, max_tokens=30)
    assert list(generation) == from_whole_sequences(6, Sampling())
    assert (generation.stopped_by, generation.stream.position) == ("context", 8)
    with pytest.raises(ContextFull, match=r"^the context is full at position 0 \(got 9 more frames, wanted at most 8"):
        next(generate(model, [1] * 9, max_tokens=1))


def test_conditioning_starts_the_stream(tmp_path: Path) -> None:
    model = loaded(language_models.started(), tmp_path)
    nothing, memory = np.zeros((1, 1, 8), np.float32), np.ones((1, 1, 8), np.float32)
    plain = list(generate(model, PROMPT, max_tokens=10, conditioning={"memory": nothing}))
    assert plain == from_whole_sequences(10, Sampling())
    other = list(generate(model, PROMPT, max_tokens=10, conditioning={"memory": memory}))
    assert other != plain
    stream = model.stream(conditioning={"memory": memory})
    assert list(generate(stream, PROMPT, max_tokens=10)) == other
    with pytest.raises(UsageError, match=r"^a stream has its conditioning already. Give it to model.stream"):
        generate(stream, PROMPT, max_tokens=1, conditioning={"memory": memory})


def test_one_of_two_outputs_is_named(tmp_path: Path) -> None:
    model = loaded(language_models.two_heads(), tmp_path)
    with pytest.raises(UsageError, match=r"several outputs may be the logits \(got logits .*; opposite .*Name one"):
        generate(model, PROMPT, max_tokens=1)
    assert list(generate(model, PROMPT, max_tokens=9, logits="logits")) == from_whole_sequences(9, Sampling())
    least = language_models.recurrent().whole(np.array([PROMPT]))[0][0, -1].argmin()
    assert next(generate(model, PROMPT, max_tokens=1, logits="opposite")) == least


@pytest.mark.parametrize(
    "file", [language_models.time_first(), language_models.last_only()], ids=["time first", "last"]
)
def test_other_layouts(file: Handmade, tmp_path: Path) -> None:
    assert list(generate(loaded(file, tmp_path), PROMPT, max_tokens=9)) == from_whole_sequences(9, Sampling())


def test_logits_of_single_tokens_lie_in_one_array(model: runtime.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    step = runtime.Stream.step

    def watched(stream: runtime.Stream, frames: Any, out: Any = None) -> Any:
        given.append(out)
        return step(stream, frames, out=out)

    monkeypatch.setattr(runtime.Stream, "step", watched)
    list(generate(model, PROMPT, max_tokens=6))
    assert [out is None for out in given] == [True, True, False, False, False, False]
    assert len({id(out) for out in given[2:]}) == 1


def test_a_step_that_raised_is_tried_again(model: runtime.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = generate(model, PROMPT, max_tokens=10)
    tokens = list(islice(generation, 4))
    with monkeypatch.context() as patch:
        patch.setattr(runtime.Stream, "step", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            next(generation)
    assert [*tokens, *generation] == from_whole_sequences(10, Sampling())


def test_a_choice_that_raised_is_tried_again(model: runtime.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = generate(model, PROMPT, max_tokens=10)
    tokens = list(islice(generation, 4))
    with monkeypatch.context() as patch:
        patch.setattr(Sampling, "choose", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            next(generation)
    assert generation.unseen == []
    assert [*tokens, *generation] == from_whole_sequences(10, Sampling())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prompt": "hello"}, r"^the prompt is text \(wanted tokens\). Encode it"),
        ({"prompt": []}, "^the prompt is empty"),
        ({"prompt": [[1, 2]]}, r"^the prompt is no list of tokens \(got int64 \[1, 2\]"),
        ({"prompt": [0.5]}, "^the prompt is no list of tokens"),
        ({"prompt": [1, -2]}, r"^the prompt is no list of tokens \(got -2"),
        ({"prompt": [1, 7]}, r"^a token that the model does not know at prompt\[1\] \(got 7, wanted 0 to 6\)"),
        ({"max_tokens": 0}, "^max_tokens must be a whole number from 1"),
        ({"stop": 3}, "^stop must be a list"),
        ({"stop": None}, "^stop must be a list"),
        ({"seed": -1}, "^seed means nothing .got -1, wanted a whole number from 0"),
        ({"stop": [[]]}, "^a stop sequence is empty"),
        ({"logits": "hidden"}, r"^no such output \(got 'hidden', wanted logits\)"),
        ({"top_k": 3}, "^top_k and top_p say which tokens"),
        ({"model": "m.onnx"}, r"^no model \(got str, wanted edgeseq.runtime.load"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_call_that_means_nothing_is_refused_at_once(
    model: runtime.Model, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        generate(**{"model": model, "prompt": PROMPT, "max_tokens": 3, **given})


def test_a_batch_is_refused(model: runtime.Model) -> None:
    with pytest.raises(UsageError, match=r"^generate goes on with one sequence \(got a stream of 2\)"):
        generate(model.stream(batch=2), PROMPT, max_tokens=1)


WORDS = language_models.WORDS
NO_MODEL = "^this file is no language model"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (handmade.gru(), f"{NO_MODEL}: its input is not one token a frame .got x float32"),
        (handmade.scaled_sum(), f"{NO_MODEL}: it has several inputs in time"),
        (handmade.embedding(), f"{NO_MODEL}: no output has a number for every token .*logits.*5"),
        (language_models.recurrent(chunk=Chunk(multiple=2)), f"{NO_MODEL}: it takes 2 tokens at a time"),
    ],
    ids=["frames", "two inputs", "features", "pairs"],
)
def test_what_is_no_language_model_is_refused(file: Handmade, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        language_model(file.contract)


def test_an_output_that_looks_ahead_or_knows_more_tokens_is_refused() -> None:
    late = language_models.logits("logits", WORDS, delay=1)
    with pytest.raises(UsageError, match=f"{NO_MODEL}: no output is made of logits"):
        language_model(language_models.recurrent(ports=(language_models.tokens(WORDS), late)).contract)
    wide = language_models.recurrent(ports=(language_models.tokens(5), language_models.logits("logits", WORDS)))
    with pytest.raises(UsageError, match=r"chooses among more tokens than the model takes .*wanted at most 5"):
        language_model(wide.contract, "logits")


def test_fewer_tokens_out_than_in_and_tables_that_are_not_known() -> None:
    narrow = language_models.recurrent(ports=(language_models.tokens(50), language_models.logits("logits", WORDS)))
    found = language_model(narrow.contract, "logits")
    assert (found.vocabulary, found.rows) == (WORDS, 50)
    free = language_models.tokens(WORDS, range=None)
    assert language_model(language_models.recurrent(ports=(free, narrow.contract.ports[1])).contract).rows is None
