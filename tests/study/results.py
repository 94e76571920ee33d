"""Results of the study, made up: what a page says follows from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.study.measure import FORMAT, VERSION

MACHINE = {"cpu": "Made up", "architecture": "none", "cores": 2, "usable_cores": 2, "system": "None"}
POSITIONS = (16, 64, 512)


def series(mode: str, median_us: float, runs: int = 8) -> dict[str, Any]:
    """One mode, whose processes differ by a percent."""
    values = [round(1e3 * median_us * (1 + 0.01 * (run % 3 - 1))) for run in range(runs)]
    quantile = {"runs_ns": values, "median_ns": sorted(values)[runs // 2]}
    return {"mode": mode, "quantiles": dict.fromkeys(("p50", "p90", "p99"), quantile)}


def subject(
    name: str,
    at_us: Mapping[int, float],
    state: Mapping[int, int],
    quality: float | None = 0.9,
    floor_us: float | None = 10.0,
    size: int = 1_600_000,
    streams: int | None = None,
    runs: int = 8,
) -> dict[str, Any]:
    """One file of a comparison."""
    modes = {"back_to_back": at_us[16], "paced": 2 * at_us[16], **{f"at_{at}": step for at, step in at_us.items()}}
    floors = {"at": {str(at): {"floor_ns": 1e3 * floor_us, "bound": "memory"} for at in at_us}} if floor_us else None
    return {
        "name": f"{name}.onnx",
        "latency": {
            "series": [series(mode, step, runs) for mode, step in modes.items()],
            "settings": {"frames": 1},
            "file": {"bytes": size},
            "state_bytes": state[16],
            "state_bytes_at": {str(at): value for at, value in state.items()},
        },
        "quality": None if quality is None else {"metric": "macro_f1", "value": quality, "lower_is_better": False},
        "floor": floors,
        "streams_per_core": None if streams is None else {"runs": [streams] * 3, "bounded": False},
    }


def flat(value: float) -> dict[int, float]:
    return dict.fromkeys(POSITIONS, value)


def fixed(value: int) -> dict[int, int]:
    return dict.fromkeys(POSITIONS, value)


def experiment(name: str, *subjects: dict[str, Any]) -> dict[str, Any]:
    """What ``benchmarks.study.measure`` keeps."""
    comparison = {"machine": MACHINE, "versions": {"edgeseq": "0"}, "subjects": list(subjects), "self_check": None}
    head = {"format": FORMAT, "version": VERSION, "id": f"{name}-0", "date": "2026-01-01", "experiment": name}
    return {**head, "task": "ecg", "command": f"edgeseq compare {name}", "comparison": comparison}


def model(task: str, kind: str, metric: float, size: float = 1.0) -> dict[str, Any]:
    """A trained model."""
    curve = [{"step": step, "training_loss": 1 / step, "valid_loss": 2 / step} for step in (1, 2)]
    trial = {"rate": 0.001, "steps": 1, "valid_loss": 1.0, "valid_metric": 0.5}
    counts = {"parameters": 400_000, "without_tables": 400_000, "steps": 2, "epochs": 0.1, "minutes": 0.2}
    found = {"task": task, "kind": kind, "test_metric": metric, "test_loss": 1.0, "trials": [trial], "curve": curve}
    return {"size": size, **counts, **found}


def write(folder: Path, documents: Mapping[str, dict[str, Any]]) -> Path:
    """A folder of results."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        head = {"format": FORMAT, "version": VERSION, "id": f"{name}-0"}
        (folder / f"{name}.json").write_text(json.dumps({**head, **document}))
    return folder


def typical() -> dict[str, dict[str, Any]]:
    """A GRU that is fast and as good as a Transformer that grows."""
    growing = {16: 30.0, 64: 50.0, 512: 400.0}
    position = experiment(
        "position",
        subject("gru", flat(40.0), fixed(2_048), quality=0.90),
        subject("transformer", growing, {16: 40_000, 64: 150_000, 512: 2_000_000}, quality=0.95),
        subject("sliding", flat(45.0), fixed(250_000), quality=0.94),
    )
    models = [
        model(task, kind, metric)
        for task, metrics in {
            "ecg": {"gru": 0.90, "transformer": 0.95, "sliding": 0.94},
            "ett": {"gru": 0.030, "transformer": 0.040, "sliding": 0.041},
        }.items()
        for kind, metric in metrics.items()
    ]
    pick = {"kind": "gru", "size": 0.5, "parameters": 200_000, "metric": 0.91, "wanted": 0.86, "reached": True}
    missed = {**pick, "kind": "rnn", "metric": 0.5, "reached": False}
    return {
        "training": {"models": models, "equal_quality": [pick, missed], "machine": MACHINE},
        "position": position,
        "quantized": experiment(
            "quantized",
            subject("gru", flat(40.0), fixed(2_048), quality=0.90),
            subject("gru-int8", flat(20.0), fixed(2_048), quality=0.89, size=400_000),
            subject("gru-int4", flat(40.0), fixed(2_048), quality=0.80, size=200_000),
        ),
        "streams": experiment("streams", subject("gru", flat(1.0), fixed(1), streams=120)),
    }
