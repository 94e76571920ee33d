"""A headless Chromium, spoken to over its DevTools pipe: messages of JSON, each ended by a zero byte.

chromedevtools.github.io/devtools-protocol describes the methods; nothing but the browser is needed.
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Where to find one; ``EDGESEQ_BROWSER`` names another.
COMMANDS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
)
_SECONDS = 60


def command() -> str | None:
    """The browser's path; None where there is none, or not the one that was named."""
    named = os.environ.get("EDGESEQ_BROWSER")
    return next((found for name in ([named] if named else COMMANDS) if (found := shutil.which(name))), None)


class Page:
    """One page: what it logged and asked for is kept."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive, self._rest = send, receive, b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, width: int, height: int = 900, dark: bool = False) -> None:
        """Load a file as a screen of this many CSS pixels shows it, until it is there with all that it needs."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._message())

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def errors(self) -> list[str]:
        """What the page or the browser complained of since the page was opened."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self._events if event["method"] in kinds]

    def requests(self) -> list[str]:
        """The addresses asked for, data: and the page itself apart."""
        asked = [event["params"] for event in self._events if event["method"] == "Network.requestWillBeSent"]
        return [
            one["request"]["url"]
            for one in asked
            if one["type"] != "Document" and not one["request"]["url"].startswith("data:")
        ]

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method and return its result; events that come before it are kept."""
        number = next(self._numbers)
        session = {} if self._session is None else {"sessionId": self._session}
        message = {"id": number, "method": method, "params": params, **session}
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self._events.append(answer)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._receive], [], [], _SECONDS)[0]:
                raise TimeoutError(f"the browser said nothing for {_SECONDS} s")
            more = os.read(self._receive, 1 << 20)
            if not more:
                raise RuntimeError("the browser ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browsing(executable: str) -> Iterator[Page]:
    """A page of a browser that is started for it and ended after it."""
    (theirs_in, ours_out), (ours_in, theirs_out) = _pipe(), _pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        call = [executable, "--remote-debugging-pipe", f"--user-data-dir={profile}", *_FLAGS]
        process = os.posix_spawn(executable, call, os.environ, file_actions=_actions(theirs_in, theirs_out))
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Page(ours_out, ours_in)
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(ours_out)
            os.close(ours_in)


def _pipe() -> tuple[int, int]:
    """A pipe whose numbers stay clear of those that the browser looks at."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


def _actions(commands: int, answers: int) -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
    """Commands come in at 3 and answers go out at 4, where the browser looks for them; its own words go nowhere."""
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (1, 2)]
    return [*silent, (os.POSIX_SPAWN_DUP2, commands, 3), (os.POSIX_SPAWN_DUP2, answers, 4)]
