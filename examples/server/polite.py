"""Connections that are bounded, and not closed amid an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode

#: Seconds in which frames gather to be stepped together, and frames of long messages that are stepped at once: a
#: message of 1 MiB must not hold up the other streams until it is through.
GATHER, AT_ONCE = 0.004, 1024
TRY_AGAIN_LATER, GOING_AWAY = CloseCode.TRY_AGAIN_LATER, CloseCode.GOING_AWAY


class Polite(ServerConnection):
    """Closing waits for ``turn``, which is held while a message is answered."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.turn = asyncio.Lock()

    async def close(self, code: CloseCode | int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """As ``ServerConnection.close``, once the answer that is under way has been sent."""
        async with self.turn:
            await super().close(code, reason)


#: For this machine only. Floats do not shrink. At most four messages of 1 MiB wait here; of answers, 16 KiB.
BOUNDED: dict[str, Any] = {
    "host": "127.0.0.1",
    "create_connection": Polite,
    "compression": None,
    "max_queue": 4,
    "max_size": 2**20,
    "write_limit": 2**14,
}
