"""All rows, by family."""

from __future__ import annotations

from tests.published import (
    annotated_transformer,
    behaviour,
    conv_tasnet,
    demucs,
    dual_path,
    forecasting,
    gpt,
    gpt_variants,
    keyword_spotting,
    linear_attention,
    llama,
    makemore,
    parallel_rnn,
    relative,
    rwkv,
    sensors,
    spectral,
    speech,
    state_space,
    synthesis,
    wavenet,
    word_language_model,
)
from tests.published.row import Published

#: The chapters of docs/models.md.
FAMILIES: dict[str, tuple[tuple[Published, ...], ...]] = {
    "Language models": (
        word_language_model.ROWS,
        makemore.ROWS,
        gpt.ROWS,
        llama.ROWS,
        gpt_variants.ROWS,
        relative.ROWS,
        linear_attention.ROWS,
        rwkv.ROWS,
        state_space.ROWS,
        parallel_rnn.ROWS,
        annotated_transformer.ROWS,
    ),
    "Audio": (
        wavenet.ROWS,
        conv_tasnet.ROWS,
        demucs.ROWS,
        dual_path.ROWS,
        spectral.ROWS,
        keyword_spotting.ROWS,
        speech.ROWS,
        synthesis.ROWS,
    ),
    "Sensors, time series, video, and others": (sensors.ROWS, forecasting.ROWS, behaviour.ROWS),
}
ROWS = tuple(row for files in FAMILIES.values() for rows in files for row in rows)
BY_ID = {row.id: row for row in ROWS}
