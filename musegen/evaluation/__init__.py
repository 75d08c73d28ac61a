"""How well a model predicts music, and what it writes, beside baselines and real music: `musegen evaluate`.

Likelihoods are in units that do not depend on the encoding. Every token after `start` counts: bars,
positions, durations, `end`. docs/evaluation.md says what the units mean, docs/generated.md how
music that is written is compared.
"""

from typing import TYPE_CHECKING

from musegen.utils.lazy import lazily

if TYPE_CHECKING:
    from musegen.evaluation.comparing import FEATURES, Closeness, Difference, closeness, paired
    from musegen.evaluation.continuations import (
        OF_PAIRS,
        Generation,
        Written,
        check_generating,
        generated,
    )
    from musegen.evaluation.cutting import Cut, cut
    from musegen.evaluation.likelihoods import PARTS, Evaluation, Predicted, evaluated
    from musegen.evaluation.overlap import Overlap
    from musegen.evaluation.resampling import Rate, rates
    from musegen.evaluation.units import UNITS, amounts

_HOME = {
    "Closeness": "comparing",
    "Cut": "cutting",
    "Difference": "comparing",
    "Evaluation": "likelihoods",
    "FEATURES": "comparing",
    "Generation": "continuations",
    "OF_PAIRS": "continuations",
    "Overlap": "overlap",
    "PARTS": "likelihoods",
    "Predicted": "likelihoods",
    "Rate": "resampling",
    "UNITS": "units",
    "Written": "continuations",
    "amounts": "units",
    "check_generating": "continuations",
    "closeness": "comparing",
    "cut": "cutting",
    "evaluated": "likelihoods",
    "generated": "continuations",
    "paired": "comparing",
    "rates": "resampling",
}

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

__getattr__, __dir__ = lazily(__name__, _HOME)
