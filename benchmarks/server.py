"""The WebSocket server of the examples: 1,000 streams at 20 ms, with and without a pool, and how many it carries.

python -m benchmarks.server [--runs 3] [--json out.json]    (--runs 1 --steps 20: a minute, figures to try it out)
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure
from benchmarks.script import Script, main
from benchmarks.server_load import Answered, Load, connect
from edgeseq import runtime
from examples.server.checking import latencies, rehearse, right
from examples.server.hello import Hello

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = 128
STREAMS, PERIOD = 1_000, 0.02
#: Where the search for the most streams begins and ends, and how near it comes, as a factor.
FEWEST, MOST, NEAR = 100, 1_600, 1.07
#: Frames of each stream in one try of that search.
TRY = 75
#: What "carries" means: at most so many % of the answers later than the period; so many % of the pace kept.
MISSES, PACE = 1.0, 98.0
#: The servers: a coroutine for each connection, or none; a pool, or a stream for each.
WAYS = {
    "direct": ("direct",),
    "direct_alone": ("direct", "--no-pool"),
    "server": ("server",),
    "server_alone": ("server", "--no-pool"),
}
TITLES = {
    "direct": "no coroutines, pool",
    "direct_alone": "no coroutines, no pool",
    "server": "coroutines, pool",
    "server_alone": "coroutines, no pool",
}


def write_files(folder: Path) -> None:
    """The GRU that is served."""
    from benchmarks.models import write_grus

    write_grus(folder, [HIDDEN])


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    process: int
    port: int

    def cpu(self) -> float:
        """Seconds of processor time that it has taken; its clock is named as in clock_getcpuclockid(3)."""
        return time.clock_gettime(~self.process << 3 | 2)


@contextmanager
def serving(path: Path, way: str) -> Iterator[Server]:
    """A server with room for all that is tried."""
    name, *more = WAYS[way]
    command = [sys.executable, "-m", f"examples.server.{name}", str(path), "--port", "0", "--capacity", str(2 * MOST)]
    process = subprocess.Popen([*command, *more], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Server(process.pid, int(process.stdout.readline().removeprefix("port ")))
    finally:
        process.kill()
        process.communicate()


def tried(server: Server, way: str, model: runtime.Model, streams: int, frames: int) -> dict[str, float]:
    """The figures of so many streams of so many frames; SystemExit where an answer is wrong."""
    messages, answers = rehearse(model, streams, frames)
    sockets = [connect(server.port) for _ in range(streams)]
    load = Load(sockets, messages, len(answers[0][0]))
    gc.collect()
    gc.disable()
    begun, own, others = time.perf_counter(), time.process_time(), server.cpu()
    found = load.run(PERIOD)
    seconds, own, others = time.perf_counter() - begun, time.process_time() - own, server.cpu() - others
    gc.enable()
    for one in sockets:
        one.close()
    check(Hello.of(model, exact=len(WAYS[way]) == 1), found, answers)
    pace = PERIOD * (frames - 1) / float(np.ptp(found.sent, axis=1).max())
    times = latencies(found.came - found.sent, PERIOD)
    shares = {"misses_percent": 100 * times.pop("misses"), "pace_percent": 100 * pace}
    return {**times, **shares, "server_cores": others / seconds, "client_cores": own / seconds}


def check(hello: Hello, found: Answered, answers: list[list[bytes]]) -> None:
    """SystemExit where an answer that came is not the right one."""
    for stream, (came, wanted) in enumerate(zip(found.answers, answers, strict=True)):
        for number, (one, other) in enumerate(zip(came, wanted, strict=False)):
            if not right(hello, one, other):
                raise SystemExit(f"answer {number} of stream {stream} is wrong")


def carried(found: dict[str, float]) -> bool:
    """Whether a server carries what was tried."""
    return found["p99_ms"] <= 1e3 * PERIOD and found["misses_percent"] <= MISSES and found["pace_percent"] >= PACE


def most(server: Server, way: str, model: runtime.Model, frames: int) -> dict[str, float]:
    """The most streams that are carried, found by bisection, and the figures of that; FEWEST are taken for carried."""
    low, high, best = FEWEST, MOST, tried(server, way, model, FEWEST, frames)
    while high > low * NEAR:
        streams = round((low * high) ** 0.5)
        if not carried(found := tried(server, way, model, streams, frames)):
            found = tried(server, way, model, streams, frames)  # something else may have been at work
        low, high, best = (streams, high, found) if carried(found) else (low, streams, best)
    return {"streams": float(low), **best}


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """What one server does with the streams wanted, or the most that it carries."""
    way, _, what = subject.partition("-")
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a connection is a file, here and there
    path = folder / f"{HIDDEN}.onnx"
    model = runtime.load(path)
    with serving(path, way) as server:
        tried(server, way, model, FEWEST, 20)  # warm-up
        if what != "most":
            return tried(server, way, model, STREAMS, steps)
        found = most(server, way, model, min(TRY, steps))
    return {**found, "per_core": found["streams"] / found["server_cores"]}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """By way: 1,000 streams, then the most that are carried."""
    made: list[Figure] = []
    for way, title in TITLES.items():
        made += _latencies(found, f"{STREAMS:,} streams, {title}", way)
    for way, title in TITLES.items():
        name = f"most streams carried, {title}"
        made.append(Figure(name, "streams", found.of(f"{way}-most.streams")))
        made.append(Figure(f"{name}: per core of the server", "streams", found.of(f"{way}-most.per_core")))
        made += _latencies(found, name, f"{way}-most")
    gains = {"no coroutines": "direct", "coroutines": "server"}
    return (
        *made,
        *(
            Figure(
                f"streams carried, {title}: pool / no pool",
                "ratio",
                found.ratio(f"{way}-most.streams", f"{way}_alone-most.streams"),
            )
            for title, way in gains.items()
        ),
    )


def _latencies(found: Comparison, name: str, subject: str) -> list[Figure]:
    shares = {"misses_percent": f"answers later than {1e3 * PERIOD:g} ms", "pace_percent": "pace kept by the client"}
    times = {"p50_ms": "p50", "p99_ms": "p99", "max_ms": "longest"}
    cores = {"server_cores": "processor time of the server", "client_cores": "processor time of the client"}
    return [
        *(Figure(f"{name}: {what}", "%", found.of(f"{subject}.{key}")) for key, what in shares.items()),
        *(Figure(f"{name}: {what}", "ms", found.of(f"{subject}.{key}")) for key, what in times.items()),
        *(Figure(f"{name}: {what}", "cores", found.of(f"{subject}.{key}")) for key, what in cores.items()),
    ]


SCRIPT = Script(
    name="server",
    title="Streams over WebSocket",
    about=f"A GRU, 64 features to {HIDDEN}, one frame of each stream every {1e3 * PERIOD:g} ms, a connection for each"
    " stream, on loopback. Coroutines: examples/server/server.py; none: examples/server/direct.py. Both with a pool and"
    " with streams of their own (--no-pool). The client (benchmarks/server_load.py) runs on the same cores, spreads the"
    " streams over the period and checks every answer: a pool's must be, bit for bit, what a pool in the client's"
    " process gives, others within 1e-5. Times run from frame sent to answer received; an answer that did not come"
    " within 2 s of the last frame counts as come then. Carried: p99 within the period, at most 1 % later, and 98 % of"
    f" the pace kept; searched from {FEWEST} to {MOST:,} streams, to {100 * (NEAR - 1):.0f} %, what failed tried twice."
    " Per core: the streams carried, by the cores that the server took for them, the kernel's share included.",
    subjects=(*WAYS, *(f"{way}-most" for way in WAYS)),
    measure=measure,
    figures=figures,
    runs=3,
    steps=100,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
