"""The floor of a step: what the machine's memory, arithmetic and calls allow at best."""

from __future__ import annotations

from edgeseq.lab.floor.floor import Floor, measure_floor, measure_floors

__all__ = ["Floor", "measure_floor", "measure_floors"]
