"""The contract's report on quantization: for information, but what it holds is of the kind that the page says."""

from __future__ import annotations

from typing import Any

from edgeseq.contract_fields import LONGEST_TEXT, Reader, is_number


def read_quantization(reader: Reader) -> dict[str, Any] | None:
    """The field ``quantization`` as it stands there; ContractError names what is of the wrong kind in it."""
    document = reader.optional_mapping("quantization")
    if document is None:
        return None
    report = Reader(document, f"{reader.where}.quantization")
    for key in ("kind", "target", "source", "inputs", "speed_note"):
        report.optional_text(key)
    report.optional_mapping("config")
    _check_limits(report)
    report.flag("one_frame")
    for key in ("file_bytes_before", "file_bytes_after"):
        report.optional_integer(key, 0)
    _check_nodes(report)
    _check_decibels(report)
    _check_long_run(report)
    _check_speed(report)
    _check_task(report)
    return document


def _check_nodes(report: Reader) -> None:
    for node in report.items("nodes") if "nodes" in report.document else ():
        for key in ("name", "kind", "scheme"):
            node.text(key)
        for key in ("bytes_before", "bytes_after"):
            node.integer(key, 0, 0)
        for key in ("snr_db", "alone_snr_db"):
            node.optional_number(key)
    for node in report.items("left") if "left" in report.document else ():
        for key in ("name", "op", "why"):
            node.text(key)
        node.integer("bytes", 0, 0)


def _check_limits(report: Reader) -> None:
    limits = report.optional_mapping("limits") or {}
    if not all(is_number(limit) for limit in limits.values()):
        raise report.fail("limits", "numbers by the name of what is limited")
    if "raised" in report.document:
        report.names("raised", least=0)


def _check_decibels(report: Reader) -> None:
    outputs = report.optional_mapping("outputs") or {}
    if not all(_decibels(found) for found in outputs.values()):
        raise report.fail("outputs", "numbers or nulls by the name of the output")
    if any(len(name) > LONGEST_TEXT for name in outputs):
        raise report.fail("outputs", f"names of at most {LONGEST_TEXT} characters")


def _check_long_run(report: Reader) -> None:
    if report.optional_mapping("long_run") is None:
        return
    run = Reader(report.mapping("long_run"), f"{report.where}.long_run")
    run.integer("steps", 0, 0)
    run.text("verdict")
    windows = run.document.get("windows")
    if not isinstance(windows, list) or not all(_window(window) for window in windows):
        raise run.fail("windows", "a list of [first step, step after the last, decibels or null]")


def _check_speed(report: Reader) -> None:
    if report.optional_mapping("speed") is None:
        return
    speed = Reader(report.mapping("speed"), f"{report.where}.speed")
    for key in ("float_us", "quantized_us"):
        found = speed.document.get(key)
        if not isinstance(found, list) or not found or not all(is_number(each) and each >= 0 for each in found):
            raise speed.fail(key, "a list of microseconds")
    speed.integer("batch", 1, 1)
    speed.count("ratio")
    speed.text("verdict")


def _check_task(report: Reader) -> None:
    if report.optional_mapping("task") is None:
        return
    task = Reader(report.mapping("task"), f"{report.where}.task")
    task.text("metric")
    for key in ("float", "quantized"):
        if not is_number(task.document.get(key)):
            raise task.fail(key, "a number")
    task.optional_number("lost")


def _decibels(value: Any) -> bool:
    return value is None or is_number(value)


def _window(value: Any) -> bool:
    """Whether a value is ``[first, last, decibels]``."""
    if not isinstance(value, list) or len(value) != 3 or not _decibels(value[2]):
        return False
    return all(type(step) is int and 0 <= step < 2**62 for step in value[:2])
