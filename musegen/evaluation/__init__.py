"""How well a model predicts music, and what it writes, beside baselines and real music: `musegen evaluate`.

Likelihoods are in units that do not depend on the encoding. Every token after `start` counts: bars, positions,
durations, `end`. docs/evaluation.md says what the units mean, docs/generated.md how music that is written is compared.
"""

from musegen.evaluation.comparing import FEATURES, Closeness, Difference, closeness, paired
from musegen.evaluation.cutting import Cut, cut
from musegen.evaluation.generated import OF_PAIRS, Generation, Written, check_generating, generated
from musegen.evaluation.likelihoods import PARTS, Evaluation, Predicted, evaluated
from musegen.evaluation.overlap import Overlap
from musegen.evaluation.resampling import Rate, rates
from musegen.evaluation.units import UNITS, amounts

__all__ = [
    "FEATURES",
    "OF_PAIRS",
    "PARTS",
    "UNITS",
    "Closeness",
    "Cut",
    "Difference",
    "Evaluation",
    "Generation",
    "Overlap",
    "Predicted",
    "Rate",
    "Written",
    "amounts",
    "check_generating",
    "closeness",
    "cut",
    "evaluated",
    "generated",
    "paired",
    "rates",
]
