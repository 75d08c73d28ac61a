"""Noticing that training goes wrong, while there is something to be saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from musegen.errors import TrainingError

__all__ = ["Diverged", "Watch"]

SMOOTHING = 0.9  # of the loss from step to step: what counts is about the last ten
TIMES, MORE = 2.0, 1.0  # a loss that was L and is above TIMES · L + MORE nats has run away


class Diverged(TrainingError):
    """The run cannot be saved by going on.

    Attributes:
        reports: Of the epochs before.
    """

    reports: Sequence[Any] = ()


@dataclass
class Watch:
    """Looks at every step's loss and gradient norm.

    Attributes:
        smooth: The loss of the last ten steps or so; None before the first.
        lowest: The lowest that it was.
    """

    smooth: float | None = None
    lowest: float = math.inf

    def look(self, epoch: int, step: int, nats: float, norms: list[float]) -> None:
        """Take a step.

        Args:
            epoch: Number of the epoch, from 1.
            step: Number of the step in it, from 1.
            nats: The step's loss per token.
            norms: Gradient norms before clipping, this step's last.

        Raises:
            Diverged: The loss or the gradient is no number, or the loss has run away.
        """
        where = f"in epoch {epoch}, step {step}"
        history = f"The gradient norms up to there: {', '.join(f'{n:.3g}' for n in norms[-8:])}."
        if not (math.isfinite(norms[-1]) and math.isfinite(nats)):
            raise Diverged(
                f"the loss became {nats:.3g} and the gradient norm {norms[-1]:.3g} {where}. {history}"
            )
        self.smooth = (
            nats if self.smooth is None else SMOOTHING * self.smooth + (1 - SMOOTHING) * nats
        )
        self.lowest = min(self.lowest, self.smooth)
        if self.smooth > TIMES * self.lowest + MORE:
            raise Diverged(
                f"training diverged: the loss had come down to {self.lowest:.3g} nats per token and is {nats:.3g} "
                f"{where}. {history}"
            )
