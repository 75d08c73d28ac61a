"""Help texts of the options that are fields of a config, by the headings of the help page."""

from __future__ import annotations

from typing import Any, NamedTuple

from musegen.config import (
    ConstraintConfig,
    EncoderConfig,
    ModelConfig,
    SamplerConfig,
    TrainingConfig,
)

__all__ = [
    "AUGMENTATION",
    "CONSTRAINTS",
    "ENCODING",
    "MODEL",
    "OPTIMIZER",
    "SAMPLING",
    "TRAINING",
    "Field",
    "Section",
]


class Field(NamedTuple):
    """A field of a config as an option.

    Attributes:
        name: The field; the config has its type and its default.
        help: What it means.
        metavar: What the help page calls its value; empty for `N`, `NUMBER` or `TEXT`.
        values: Its possible values, if they are a few words.
    """

    name: str
    help: str
    metavar: str = ""
    values: tuple[str, ...] = ()


class Section(NamedTuple):
    """Fields of a config that the help page lists under one heading."""

    heading: str
    config: type[Any]
    fields: tuple[Field, ...]


ENCODING = Section(
    "Encoding (a token store has its own)",
    EncoderConfig,
    (
        Field(
            "encoding",
            "metric: bars and positions, for composed music. "
            "performance: time shifts of 10 ms, for recorded playing.",
            values=("metric", "performance"),
        ),
        Field(
            "steps_per_quarter",
            "Metric only: grid steps per quarter note; 12 fits sixteenths and triplets.",
        ),
        Field("parts", "Metric only: largest number of tracks."),
        Field("programs", "Metric only: encode the instrument of each track."),
        Field("drums", "Metric only: encode drum tracks."),
        Field("velocities", "Number of loudness levels (0: loudness is not encoded)."),
        Field("tempos", "Metric only: number of tempo levels (0: tempo is not encoded)."),
    ),
)

MODEL = Section(
    "Model",
    ModelConfig,
    (
        Field("cell", "Kind of recurrent layer.", values=("lstm", "gru", "rnn")),
        Field("layers", "Number of recurrent layers."),
        Field("units", "State width of each recurrent layer."),
        Field("embedding", "Width of the token embedding."),
        Field("dropout", "Fraction of units dropped between layers in training.", "FRACTION"),
        Field("residual", "Add the input of each layer after the first to its output."),
        Field("layer_norm", "Normalise the input of each layer after the first."),
        Field("tied", "Use the transposed embedding as the output layer."),
        Field(
            "context",
            "Also input the position in the bar and the sounding notes of N parts (0: off).",
        ),
        Field(
            "lookback",
            "Also input what followed similar passages earlier in the piece; needs --context.",
        ),
        Field(
            "future",
            "Train for infilling: width of the layer that reads what follows the gap "
            "(0: train for continuation).",
        ),
    ),
)

TRAINING = Section(
    "Training",
    TrainingConfig,
    (
        Field(
            "sequence_length", "Tokens per training window: how far gradients are propagated back."
        ),
        Field("batch_size", "Windows per training step."),
        Field(
            "tbptt",
            "Carry the state from each window of a piece to the next (truncated back-propagation "
            "through time) instead of starting from zero.",
        ),
        Field("epochs", "Maximum number of passes over the training pieces."),
        Field("patience", "Epochs without a better validation likelihood before training stops."),
        Field(
            "precision",
            "Floating-point format; auto: mixed_bfloat16 on a GPU, else float32.",
            values=("auto", "float32", "mixed_bfloat16"),
        ),
        Field(
            "seed",
            "Random seed of the split, the initial weights, the order of pieces and augmentation.",
            "SEED",
        ),
    ),
)

OPTIMIZER = Section(
    "Optimizer",
    TrainingConfig,
    (
        Field(
            "optimizer", "Algorithm that updates the weights.", values=("adamw", "sgd", "rmsprop")
        ),
        Field("learning_rate", "Learning rate after the warm-up.", "RATE"),
        Field(
            "schedule",
            "Learning rate after the warm-up: cosine decay, halved whenever the validation "
            "likelihood stops improving (plateau), or constant.",
            values=("cosine", "plateau", "constant"),
        ),
        Field("warmup", "Fraction of steps in which the learning rate rises from 0.", "FRACTION"),
        Field("weight_decay", "Decoupled weight decay (0: off).", "RATE"),
        Field("global_clipnorm", "Largest global norm of the gradient (0: off).", "NORM"),
        Field(
            "clipvalue", "Largest component of the gradient, instead of its norm (0: off).", "VALUE"
        ),
        Field(
            "ema", "Momentum of a moving average of the weights, e.g. 0.999 (0: off).", "MOMENTUM"
        ),
        Field(
            "label_smoothing",
            "Fraction of the target probability spread over all tokens.",
            "FRACTION",
        ),
    ),
)

AUGMENTATION = Section(
    "Augmentation (drawn afresh for each training piece and epoch)",
    TrainingConfig,
    (
        Field("transpose", "Transpose by up to this many semitones.", "SEMITONES"),
        Field("part_dropout", "Fraction of pieces that lose some of their parts.", "FRACTION"),
        Field(
            "tempo_scaling",
            "Performance only: change the tempo by up to this fraction.",
            "FRACTION",
        ),
        Field("velocity_scaling", "Change the loudness by up to this fraction.", "FRACTION"),
    ),
)

SAMPLING = Section(
    "Sampling",
    SamplerConfig,
    (
        Field("top_k", "Sample from the K most likely tokens only (0: all).", "K"),
        Field(
            "top_p",
            "Sample from the most likely tokens whose probabilities add up to P (1: all).",
            "P",
        ),
        Field(
            "min_p",
            "Sample from tokens at least P times as likely as the most likely one (0: all).",
            "P",
        ),
        Field("repetition_penalty", "Make recently played pitches less likely (1: off).", "FACTOR"),
        Field("repetition_window", "Number of preceding notes the penalty considers.", "NOTES"),
    ),
)

CONSTRAINTS = Section(
    "Constraints",
    ConstraintConfig,
    (
        Field(
            "key",
            "Allow only pitches of this key, e.g. C:minor or Bb; auto: the key of the primer.",
            "KEY",
        ),
        Field("range", "Lowest and highest pitch, e.g. C3:C6.", "LOW:HIGH"),
        Field("max_polyphony", "Largest number of notes that sound at once (0: no limit)."),
        Field("min_note", "Shortest note value, e.g. 1/16.", "VALUE"),
        Field("max_note", "Longest note value, e.g. 1/2.", "VALUE"),
        Field(
            "density",
            "Number of notes per bar, e.g. 4:8, 4: (at least) or :8 (at most).",
            "MIN:MAX",
        ),
        Field("parallels", "Allow parallel fifths and octaves between parts."),
        Field(
            "end",
            "How the piece ends: at the barline (cut), on the tonic (cadence), or getting softer "
            "(fade).",
            values=("cut", "cadence", "fade"),
        ),
    ),
)
