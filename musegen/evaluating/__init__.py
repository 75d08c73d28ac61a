"""How well a model predicts music, in units that do not depend on its encoding, beside baselines: `musegen evaluate`.

Every token after `start` counts: bars, positions, durations, `end`. docs/evaluation.md says what the units mean.
"""

from musegen.evaluating.overlap import Overlap
from musegen.evaluating.resampling import Rate, rates
from musegen.evaluating.running import PARTS, Evaluation, Predicted, evaluated
from musegen.evaluating.units import UNITS, amounts

__all__ = ["PARTS", "UNITS", "Evaluation", "Overlap", "Predicted", "Rate", "amounts", "evaluated", "rates"]
