"""``python -m tests.fuzz``: many cases, what became of them in a table, and the files of those that show a bug."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.fuzz.bases import write_bases
from tests.fuzz.campaign import Found, campaign, save
from tests.fuzz.cases import KINDS

#: Graphs changed under a renewed digest reach onnxruntime: what it makes of them is counted, and is no bug of ours.
RENEWED = {"renewed": 1}


def main() -> int:
    """0 where nothing was found, else 1."""
    options = _options()
    print(f"seed {options.seed}, {options.cases} cases")
    with tempfile.TemporaryDirectory() as folder:
        bases = Path(folder)
        write_bases(bases, exported=not options.no_exports)
        if options.only is not None:
            found = _campaign(bases, options.seed, options.only, options.only + 1, options.out, KINDS)
        else:
            found = _campaign(bases, options.seed, 0, options.cases, options.out, KINDS)
        if options.renewed and options.only is None:
            print("\ngraphs changed under a renewed digest, which reach onnxruntime: no bugs of edgeseq's")
            _campaign(bases, options.seed, 0, options.renewed, options.out / "renewed", RENEWED)
    for number, bug in list(found.bugs.items())[:20]:
        print(f"\ncase {number}: {bug[-2000:]}")
    print(f"\n{len(found.bugs)} bugs" + (f", files in {options.out}" if found.bugs else ""))
    return bool(found.bugs)


def _campaign(bases: Path, seed: int, first: int, last: int, out: Path, kinds: Mapping[str, int]) -> Found:
    """Run it, say now and then how far it is, keep the files of every bug at once, end with a table."""

    def watch(found: Found) -> None:
        save(found, bases, seed, out, kinds)
        print(f"{found.cases} cases, {len(found.bugs)} bugs", *found.bugs, file=sys.stderr, flush=True)

    began = time.perf_counter()
    found = campaign(bases, seed, first, last, kinds=kinds, watch=watch)
    _table(found, time.perf_counter() - began)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("cases", type=int, nargs="?", default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="a random one by default; printed")
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), help="where failing files go")
    parser.add_argument("--only", type=int, help="run this one case of the seed")
    parser.add_argument("--renewed", type=int, default=0, help="also so many graphs changed under a renewed digest")
    parser.add_argument("--no-exports", action="store_true", help="handmade base files only")
    return parser.parse_args()


def _table(found: Found, seconds: float) -> None:
    kinds = Counter({kind: found.count(kind, *{word for _, word in found.words}) for kind, _ in found.words})
    for kind, total in kinds.most_common():
        words = Counter({word: count for (of, word), count in found.words.items() if of == kind})
        print(f"{kind:<10}{total:>7}  " + ", ".join(f"{word} {count}" for word, count in words.most_common()))
    time_each, number = found.slowest
    print(f"{found.cases} cases in {seconds:.0f} s; the slowest, case {number}, took {time_each:.2f} s")


if __name__ == "__main__":
    sys.exit(main())
