"""The session block of a contract: honoured on the machine that it names, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeseq import runtime
from edgeseq.contract import Contract, Machine, Session
from edgeseq.runtime import engine, providers, threads
from tests import handmade

HERE = Machine("Cortex-A76", "aarch64", 4)
TUNED = Session(2, False, HERE, "1.31.0", "p50")

#: What is asked for, where, and the threads and the spinning of the session.
ASKED: dict[str, tuple[dict[str, Any], Machine, tuple[int, bool]]] = {
    "nothing, on its machine": ({}, HERE, (2, False)),
    "spinning, on its machine": ({"spinning": True}, HERE, (2, True)),
    "a number": ({"threads": 1}, HERE, (1, True)),
    "a number that is the same": ({"threads": 2}, HERE, (2, True)),
    "a number and no spinning": ({"threads": 3, "spinning": False}, HERE, (3, False)),
    "nothing, on another processor": ({}, replace(HERE, cpu="Cortex-A72"), (1, True)),
    "nothing, on another architecture": ({}, replace(HERE, architecture="armv7l"), (1, True)),
    "nothing, on fewer cores": ({}, replace(HERE, cores=1), (1, True)),
}


@pytest.mark.parametrize("case", ASKED)
def test_a_session_is_opened_as_tuned(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, here, wanted = ASKED[case]
    opened = []
    monkeypatch.setattr(threads, "this_machine", lambda: here)

    def watched(path: str, count: int, names: list[Any], spinning: bool = True) -> Any:
        opened.append((count, spinning))
        return engine.open_session(path, count, names, spinning)

    monkeypatch.setattr(providers, "open_session", watched)
    runtime.load(handmade.gru().with_contract(session=TUNED).save(tmp_path / "m.onnx"), **asked)
    assert opened == [wanted]


def test_an_untuned_file_asks_for_no_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "this_machine", lambda: pytest.fail("the machine was looked at"))
    runtime.load(handmade.gru().save(tmp_path / "m.onnx"))


def test_other_devices_are_not_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "this_machine", lambda: HERE)
    contract = handmade.gru().with_contract(session=TUNED).contract
    assert threads.session_settings(contract, "cuda:0") == (1, True)
    assert threads.session_settings(contract, "cpu") == (2, False)


def test_spinning_reaches_onnxruntime(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    key = "session.intra_op.allow_spinning"
    options = [runtime.load(path, spinning=spinning).session.get_session_options() for spinning in (True, False)]
    assert options[1].get_session_config_entry(key) == "0"
    with pytest.raises(RuntimeError):
        options[0].get_session_config_entry(key)


def test_this_machine_is_a_machine() -> None:
    here = threads.this_machine()
    assert here.cpu
    assert here.architecture
    assert here.cores >= 1
    contract = handmade.gru().with_contract(session=replace(TUNED, threads=1, machine=here)).contract
    assert Contract.from_json(contract.to_json()).session == contract.session
