"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgeseq.exporters.verification import horizon

_STEPS = horizon.STEPS


@pytest.fixture(autouse=True, scope="session")
def short_horizon() -> Iterator[None]:
    """Verification goes on for 300 steps: 10,000 for each of hundreds of exports would take the better part of an hour.

    Tests marked ``long_run`` are about the long run and keep it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(horizon, "STEPS", 300)
        yield


@pytest.fixture(autouse=True)
def long_horizon(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user gets, for the tests that ask for it."""
    if request.node.get_closest_marker("long_run") is not None:
        monkeypatch.setattr(horizon, "STEPS", _STEPS)
