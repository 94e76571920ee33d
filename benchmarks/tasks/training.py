"""Trains a model within a budget of steps; stopped and started again it goes the same way.

At every report the checkpoint is written to another name and renamed, so that there is always a whole one; beside it
lies the curve as JSON.
"""

from __future__ import annotations

import copy
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.tasks.dataset import Dataset, Split
from benchmarks.tasks.losses import Loss
from edgeseq.errors import UsageError

Row = dict[str, float]
#: What validation adds to a row of the curve, ``valid_loss`` among it.
Judge = Callable[[nn.Module, Split], Row]
#: Steps that are timed, behind as many that warm up, to see how many a budget of minutes has.
TIMED = 5


@dataclass(frozen=True)
class Plan:
    """How a model is trained: AdamW, its rate up along a line for a tenth of the steps and down along half a cosine."""

    steps: int
    batch: int
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    largest_gradient: float = 1.0
    reports: int = 10
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = max(1, self.steps // 10)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))

    def reports_at(self, step: int) -> bool:
        """Whether ``step`` steps made are a point of the curve, ``reports`` of them, the last one too."""
        return step * self.reports // self.steps > (step - 1) * self.reports // self.steps


class Training:
    """A model on its way. After :meth:`run` it has the weights of the report with the smallest validation loss.

    ``judge`` says more of validation than its ``loss``. The model is trained on the device that it is on.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Dataset,
        plan: Plan,
        folder: Path,
        loss: Loss,
        training_loss: Loss,
        judge: Judge | None = None,
    ) -> None:
        self.model, self.plan, self.folder = model, plan, folder
        self._parts, self._training_loss = data, training_loss
        self._judge = judge or (lambda model, split: {"valid_loss": mean_loss(model, split, loss, plan.batch)})
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=plan.weight_decay, fused=True)
        self._best: dict[str, torch.Tensor] = {}
        self.rows: list[Row] = []
        torch.manual_seed(plan.seed)
        if self._checkpoint.exists():
            self._resume()

    @property
    def minutes(self) -> float:
        """Of one core, spent on steps and validation, before a stop too; what neighbours take is not in it."""
        return sum(row["seconds"] for row in self.rows) / 60

    def run(self, say: Callable[[Row], None], until: int | None = None) -> None:
        """Train to the end of the plan; ``say`` is called with every row of the curve, after it was written.

        With ``until`` it ends at the first report of that step or a later one, its weights those of then.
        """
        begin, losses = time.process_time(), []
        made = int(self.rows[-1]["step"]) if self.rows else 0
        if until is not None and made >= until:
            return
        for step, batch in enumerate(batches(self._parts.train, self.plan, made), start=made + 1):
            losses.append(self.step(batch, self.plan.rate(step - 1)))
            if self.plan.reports_at(step):
                self._report(step, math.fsum(losses) / len(losses), time.process_time() - begin)
                say(self.rows[-1])
                if until is not None and step >= until:
                    return
                begin, losses = time.process_time(), []
        self.model.load_state_dict(self._best)
        self.model.eval()

    def step(self, batch: tuple[torch.Tensor, torch.Tensor], rate: float) -> float:
        """One step of the optimizer on inputs and targets; their loss before it."""
        self.model.train()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = self._training_loss(self.model, *(part.to(device_of(self.model)) for part in batch))
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.largest_gradient)
        self._optimizer.step()
        return loss.item()

    def _report(self, step: int, training_loss: float, seconds: float) -> None:
        begin = time.process_time()
        found = self._judge(self.model, self._parts.valid)
        if found["valid_loss"] <= min((row["valid_loss"] for row in self.rows), default=math.inf):
            self._best = copy.deepcopy(self.model.state_dict())
        epoch = step * self.plan.batch / len(self._parts.train)
        row = {"step": step, "epoch": epoch, "training_loss": training_loss, **found}
        self.rows.append({**row, "seconds": seconds + time.process_time() - begin})
        self._save()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self._checkpoint.with_suffix(".new")
        torch.save(
            {
                "plan": asdict(self.plan),
                "rows": self.rows,
                "model": self.model.state_dict(),
                "best": self._best,
                "optimizer": self._optimizer.state_dict(),
                "random": torch.get_rng_state(),
            },
            written,
        )
        os.replace(written, self._checkpoint)
        curve = json.dumps({"plan": asdict(self.plan), "rows": self.rows}, indent=1)
        (self.folder / "curve.json").write_text(curve + "\n", encoding="utf-8")

    def _resume(self) -> None:
        saved: dict[str, Any] = torch.load(self._checkpoint, weights_only=True, map_location=device_of(self.model))
        if saved["plan"] != asdict(self.plan):
            raise UsageError(
                "a checkpoint was made with another plan",
                where=str(self._checkpoint),
                got=saved["plan"],
                wanted=asdict(self.plan),
                do="give it the same plan, or another folder",
            )
        self.rows, self._best = saved["rows"], saved["best"]
        self.model.load_state_dict(saved["model"])
        self._optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"].cpu())


def saved_steps(folder: Path) -> int | None:
    """The steps of the plan that was begun in a folder; None where none was."""
    curve = folder / "curve.json"
    return int(json.loads(curve.read_text(encoding="utf-8"))["plan"]["steps"]) if curve.exists() else None


def affordable_steps(model: nn.Module, data: Dataset, plan: Plan, loss: Loss, minutes: float) -> int:
    """How many steps of a copy of ``model`` take so many minutes of one core here, validation apart."""
    tried = Training(copy.deepcopy(model), data, replace(plan, steps=2 * TIMED), Path(os.devnull), loss, loss)
    seconds = []
    for batch in batches(data.train, tried.plan, 0):
        begin = time.process_time()
        tried.step(batch, 0.0)
        seconds.append(time.process_time() - begin)
    return max(plan.reports, int(minutes * 60 / statistics.median(seconds[TIMED:])))


def batches(split: Split, plan: Plan, made: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches from step ``made`` on: every example once an epoch, in an order that the seed and the epoch give."""
    each = max(1, len(split) // plan.batch)
    for step in range(made, plan.steps):
        epoch, place = divmod(step, each)
        if place == 0 or step == made:
            random = torch.Generator().manual_seed(plan.seed * 1_000_003 + epoch)
            order = torch.randperm(len(split), generator=random).numpy()
        chosen = order[place * plan.batch : (place + 1) * plan.batch]
        yield torch.from_numpy(split.inputs[chosen]), torch.from_numpy(split.targets[chosen])


@torch.no_grad()
def mean_loss(model: nn.Module, split: Split, loss: Loss, batch: int) -> float:
    """The mean of the batches' losses, weighted by what each was asked, of the model as it is used."""
    model.eval()
    total, count, device = 0.0, 0, device_of(model)
    for start in range(0, len(split), batch):
        inputs, targets = (
            torch.from_numpy(part[start : start + batch]).to(device) for part in (split.inputs, split.targets)
        )
        asked = int((targets >= 0).sum()) if targets.dtype == torch.int64 else int((~targets.isnan()).sum())
        if asked:
            total, count = total + asked * loss(model, inputs, targets).item(), count + asked
    return total / count


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch on ``count`` threads, so that the result does not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
