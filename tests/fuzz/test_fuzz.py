"""Two thousand changed files do nothing but be refused or run; and the fuzzer sees it when one does more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edgeseq.runtime import loading
from tests.fuzz.bases import read_bases, write_bases
from tests.fuzz.campaign import campaign, save
from tests.fuzz.cases import KINDS, case, write
from tests.fuzz.exercise import Bug, exercise, graph_of
from tests.fuzz.planted import NUMBER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited as on Linux")

SEED, CASES = 20_261_121, 2000
#: Far more than any case takes, for machines that are slow or busy: only a hang lasts as long.
SECONDS = 120.0


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Handmade files."""
    folder = tmp_path_factory.mktemp("handmade")
    write_bases(folder, exported=False)
    return folder


def test_two_thousand_changed_files(tmp_path: Path) -> None:
    write_bases(tmp_path)
    found = campaign(tmp_path, SEED, 0, CASES, seconds=SECONDS)
    assert not found.bugs, "\n".join(f"case {number}: {bug}" for number, bug in found.bugs.items())
    assert found.cases == CASES
    # A fuzzer whose files are all turned away at the door tests the door only.
    assert found.count("contract", "stepped") >= 100
    assert found.count("document", "stepped") >= 30
    assert found.count("contract", "load: ContractError") >= 100
    assert found.count("contract", "stream: ProviderError", "stream: ShapeError", "stream: ContextFull") >= 10
    assert found.count("trace", "replayed", "replay: ContractError", "replay: ShapeError") >= 20
    assert found.count("bytes", "load: ContractError") >= 10
    assert found.count("fields", "load: ContractError") >= 30
    assert found.count("data", "load: ContractError") >= 20
    assert {kind for kind, _ in found.words} == set(KINDS)


#: What is planted in one of six cases, and what is said of it.
PLANTED = {
    "hang": "Timeout",
    "abort": "the process ended with -6:",
    "crash": "the process ended with -11:",
    "foreign": "KeyError: 'foreign'",
    "greedy": "MemoryError",
    "hidden": "memory ran out",
    "loud": "the text holds '\\x1b'",
    "curious": "the file made Python do: [\"open '/etc/hostname'",
    "busy": 'the file made Python do: ["open ',
    "obedient": "the file made Python do: [\"compile (b'1 + 1'",
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_fuzzer_sees(what: str, bases: Path, tmp_path: Path) -> None:
    seconds = 1.0 if what == "hang" else SECONDS
    found = campaign(bases, 1, 0, 6, seconds=seconds, exercise=f"tests.fuzz.planted:{what}")
    assert list(found.bugs) == [NUMBER]
    assert PLANTED[what] in found.bugs[NUMBER]
    assert found.cases == 6
    save(found, bases, 1, tmp_path)
    made = case(1, NUMBER, read_bases(bases))
    saved = {item.name: item.read_bytes() for item in (tmp_path / f"1-{NUMBER}").iterdir()}
    assert saved.pop("bug.txt").decode() == found.bugs[NUMBER]
    assert saved == dict(made.files)


@pytest.mark.parametrize("kind", ["bytes", "fields", "data", "prologue"])
def test_the_fuzzer_sees_a_changed_file_that_is_opened(
    kind: str, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the digest looked at by nobody."""
    loaded = read_bases(bases)
    graphs = {base.name: graph_of(base.files) for base in loaded}

    def bugs() -> int:
        count = 0
        for number in range(60):
            made = case(1, number, loaded, {kind: 1})
            folder = tmp_path / f"{len(os.listdir(tmp_path))}"
            folder.mkdir()
            try:
                exercise(made, write(made, folder), graphs[made.base])
            except Bug as bug:
                count += str(bug) == "onnxruntime was asked to open a file that had been changed"
        return count

    assert bugs() == 0
    monkeypatch.setattr(loading, "_doubt", lambda *_: None)
    assert bugs() > 0


def test_a_case_is_the_same_every_time(bases: Path) -> None:
    loaded = read_bases(bases)
    for number in range(60):
        assert case(7, number, loaded) == case(7, number, loaded)
    assert any(case(7, number, loaded) != case(8, number, loaded) for number in range(5))
