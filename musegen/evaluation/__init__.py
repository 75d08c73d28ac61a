"""Evaluate models: likelihoods with intervals, generated against real music, surprisal, novelty.

Likelihoods are in units that do not depend on the encoding. docs/evaluation.md explains the units,
docs/generated.md how continuations are compared with real ones.
"""

from typing import TYPE_CHECKING

from musegen.utils.lazy import lazily

if TYPE_CHECKING:
    from musegen.evaluation.comparison import FEATURES, Closeness, Difference, closeness, paired
    from musegen.evaluation.continuations import (
        OF_PAIRS,
        Generation,
        Written,
        check_generating,
        generated,
    )
    from musegen.evaluation.cuts import Cut, cut
    from musegen.evaluation.likelihoods import Evaluation, Predicted, evaluated
    from musegen.evaluation.pieces import PARTS
    from musegen.evaluation.resampling import Rate, rates
    from musegen.evaluation.training_overlap import Overlap
    from musegen.evaluation.units import UNITS, amounts

_HOME = {
    "Closeness": "comparison",
    "Cut": "cuts",
    "Difference": "comparison",
    "Evaluation": "likelihoods",
    "FEATURES": "comparison",
    "Generation": "continuations",
    "OF_PAIRS": "continuations",
    "Overlap": "training_overlap",
    "PARTS": "pieces",
    "Predicted": "likelihoods",
    "Rate": "resampling",
    "UNITS": "units",
    "Written": "continuations",
    "amounts": "units",
    "check_generating": "continuations",
    "closeness": "comparison",
    "cut": "cuts",
    "evaluated": "likelihoods",
    "generated": "continuations",
    "paired": "comparison",
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
