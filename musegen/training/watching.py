"""Noticing that training goes wrong, while there is something to be saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


class Watch:
    """Looks at every step's loss and gradient norm."""

    def __init__(self) -> None:
        """Wait for the first step."""
        self._smooth: float | None = None
        self._lowest = math.inf

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
            raise Diverged(f"the loss became {nats:.3g} and the gradient norm {norms[-1]:.3g} {where}. {history}")
        self._smooth = nats if self._smooth is None else SMOOTHING * self._smooth + (1 - SMOOTHING) * nats
        self._lowest = min(self._lowest, self._smooth)
        if self._smooth > TIMES * self._lowest + MORE:
            raise Diverged(
                f"training diverged: the loss had come down to {self._lowest:.3g} nats per token and is {nats:.3g} "
                f"{where}. {history}"
            )
