"""Detect that training diverges, while its best weights can still be saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from musegen.errors import TrainingError

__all__ = ["Diverged", "Watch"]

SMOOTHING = 0.9  # of the loss from step to step: over about the last ten
TIMES, MORE = 2.0, 1.0  # a loss above TIMES · lowest + MORE nats has diverged


class Diverged(TrainingError):
    """Training diverged.

    Attributes:
        reports: The reports of the finished epochs.
    """

    reports: Sequence[Any] = ()


@dataclass
class Watch:
    """Watches the loss and the gradient norm of every step.

    Attributes:
        smooth: The loss smoothed over about ten steps; None before the first.
        lowest: Its lowest value so far.
    """

    smooth: float | None = None
    lowest: float = math.inf

    def look(self, epoch: int, step: int, nats: float, norms: list[float]) -> None:
        """Check a step.

        Args:
            epoch: Number of the epoch, from 1.
            step: Number of the step in it, from 1.
            nats: The step's loss per token.
            norms: Gradient norms before clipping, up to this step's.

        Raises:
            Diverged: The loss or the gradient is not finite, or the loss has risen too far.
        """
        where = f"in epoch {epoch}, step {step}"
        history = f"The gradient norms up to there: {', '.join(f'{n:.3g}' for n in norms[-8:])}."
        if not (math.isfinite(norms[-1]) and math.isfinite(nats)):
            raise Diverged(
                f"the loss became {nats:.3g} and the gradient norm {norms[-1]:.3g} {where}. "
                f"{history}"
            )
        if self.smooth is None:
            self.smooth = nats
        else:
            self.smooth = SMOOTHING * self.smooth + (1 - SMOOTHING) * nats
        self.lowest = min(self.lowest, self.smooth)
        if self.smooth > TIMES * self.lowest + MORE:
            raise Diverged(
                f"training diverged: the loss had come down to {self.lowest:.3g} nats per token "
                f"and is {nats:.3g} {where}. {history}"
            )
