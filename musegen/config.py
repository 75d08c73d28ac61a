"""Settings: frozen dataclasses that check themselves. Each default is written once, here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

from musegen.errors import ConfigError

__all__ = [
    "ConstraintConfig",
    "EncoderConfig",
    "ModelConfig",
    "SamplerConfig",
    "TrainingConfig",
    "differences",
    "require",
]


def require(condition: bool, expected: str, received: object, remedy: str) -> None:
    """Raise `ConfigError` with a message of three parts unless `condition` holds."""
    if not condition:
        raise ConfigError(f"{expected}. Received: {received!r}. {remedy}")


class Rule(NamedTuple):
    """What a value must be: a test, and the words for it in a message."""

    holds: Callable[[Any], bool]
    words: str


def within(low: float, high: float) -> Rule:
    """Return the rule that a value is `low` to `high`, inclusive."""
    return Rule(lambda value: low <= value <= high, f"{low} to {high}")


def below(high: float) -> Rule:
    """Return the rule that a value is at least 0 and below `high`."""
    return Rule(lambda value: 0 <= value < high, f"at least 0 and below {high}")


def at_least(low: float) -> Rule:
    """Return the rule that a value is `low` or more."""
    return Rule(lambda value: value >= low, f">= {low}")


def above(low: float) -> Rule:
    """Return the rule that a value is more than `low`."""
    return Rule(lambda value: value > low, f"> {low}")


def either(*values: str) -> Rule:
    """Return the rule that a value is one of a few: 'a', 'b' or 'c'."""
    *others, last = map(repr, values)
    return Rule(lambda value: value in values, f"{', '.join(others)} or {last}")


def one_of(*values: str) -> Rule:
    """Return the rule that a value is one of several: a, b, c."""
    return Rule(lambda value: value in values, f"one of {', '.join(values)}")


class Check(NamedTuple):
    """A row of a config's table of checks."""

    name: str
    rule: Rule
    remedy: str
    """What to do about a value that breaks the rule."""


_KINDS: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "int": (Integral, int),
    "float": (Real, float),
    "str": (str, str),
    "bool": (bool, bool),
    "dict[str, float]": (Mapping, lambda values: {str(k): float(v) for k, v in values.items()}),
}
"""Annotation of a field → the type of its values, and a conversion to what JSON can hold."""


class _Config:
    """Checks of all settings, and conversion from and to dictionaries."""

    CHECKS: ClassVar[tuple[Check, ...]] = ()

    def __post_init__(self) -> None:
        """Bring every setting to its plain type and check it.

        Raises:
            ConfigError: A setting is of another type or out of range.
        """
        for setting in fields(self):  # type: ignore[arg-type]
            value = getattr(self, setting.name)
            kind, plain = _KINDS[str(setting.type)]
            require(
                isinstance(value, kind) and isinstance(value, bool) == (plain is bool),
                f"{setting.name} must be of type {setting.type}",
                value,
                f"See {type(self).__name__}.",
            )
            object.__setattr__(self, setting.name, plain(value))
        for name, rule, remedy in self.CHECKS:
            value = getattr(self, name)
            require(rule.holds(value), f"{name} must be {rule.words}", value, remedy)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping.

        Raises:
            ConfigError: A key is unknown, or a value is out of range.
        """
        known = {setting.name for setting in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        require(
            not unknown,
            f"keys of {cls.__name__} must be among {sorted(known)}",
            unknown,
            "Remove them, or use the version of musegen that wrote them.",
        )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values that JSON can hold."""
        return asdict(self)  # type: ignore[call-overload]


def differences(
    there: _Config | Mapping[str, Any],
    here: _Config | Mapping[str, Any],
    words: str = "{name} is {there!r} there and {here!r} here",
) -> str:
    """Return which settings differ, as text for a message; empty if none do.

    Args:
        there: A config, or a mapping of settings; a missing setting counts as None.
        here: As `there`.
        words: How to report a difference.

    Example:
        >>> differences(EncoderConfig(parts=1), EncoderConfig(parts=4))
        'parts is 1 there and 4 here'
    """
    old = there.to_dict() if isinstance(there, _Config) else there
    new = here.to_dict() if isinstance(here, _Config) else here
    return "; ".join(
        words.format(name=name, there=old.get(name), here=new.get(name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )


@dataclass(frozen=True)
class EncoderConfig(_Config):
    """How music becomes tokens. See `musegen.Encoder`.

    Example:
        >>> from musegen import Encoder, EncoderConfig
        >>> melody = EncoderConfig(parts=1, programs=False, velocities=0, tempos=0)
        >>> len(Encoder(melody).vocabulary) < len(Encoder(EncoderConfig()).vocabulary)
        True
        >>> EncoderConfig(parts=65)
        Traceback (most recent call last):
        musegen.errors.ConfigError: parts must be 1 to 64. Received: 65. See EncoderConfig.
    """

    encoding: str = "metric"
    """`metric` (bars and positions, composed music) or `performance` (10 ms steps, played)."""
    steps_per_quarter: int = 12
    """Metric grid: 12 holds sixteenths and eighth triplets exactly. A multiple of 4."""
    parts: int = 16
    """Metric: number of tracks that are distinguished, 1 to 64."""
    programs: bool = True
    """Metric: each part declares its General MIDI program."""
    drums: bool = True
    """Metric: drum tracks are encoded; otherwise they are left out."""
    velocities: int = 32
    """Number of loudness steps, 0 to 127; 0 leaves loudness out."""
    tempos: int = 32
    """Metric: number of tempo steps from 20 to 300 bpm, 0 to 128; 0 leaves tempo out."""
    sustain: bool = True
    """Performance: hold notes for as long as the sustain pedal does."""

    CHECKS = (
        Check(
            "encoding",
            either("metric", "performance"),
            "Use 'metric' for composed and 'performance' for played music.",
        ),
        Check(
            "steps_per_quarter",
            Rule(lambda steps: 4 <= steps <= 96 and steps % 4 == 0, "a multiple of 4 from 4 to 96"),
            "Use 4 for sixteenths, 12 for sixteenths and triplets.",
        ),
        Check("parts", within(1, 64), "See EncoderConfig."),
        Check("velocities", within(0, 127), "See EncoderConfig."),
        Check("tempos", within(0, 128), "See EncoderConfig."),
    )


@dataclass(frozen=True)
class ModelConfig(_Config):
    """The network: an embedding, a stack of recurrent layers, a softmax over the vocabulary.

    Example:
        >>> from musegen import Encoder, EncoderConfig, ModelConfig
        >>> vocabulary = Encoder(EncoderConfig()).vocabulary
        >>> model = ModelConfig(len(vocabulary), cell="gru", units=512, dropout=0.3)
        >>> ModelConfig.from_dict(model.to_dict()) == model
        True
    """

    EPSILON: ClassVar[float] = 1e-5
    """Added to the variance in layer normalisation."""

    vocabulary_size: int
    """Number of tokens in and logits out."""
    cell: str = "lstm"
    """`lstm`, `gru`, or `rnn` (the plain tanh network of Elman 1990)."""
    layers: int = 2
    """Recurrent layers, 1 to 8."""
    units: int = 256
    """State width of each recurrent layer."""
    embedding: int = 128
    """Width of the token embedding."""
    dropout: float = 0.0
    """Share of units dropped between layers in training; never on recurrent connections."""
    residual: bool = False
    """Each recurrent layer after the first adds its input to its output (He et al. 2016)."""
    layer_norm: bool = False
    """The input of each layer after the first recurrent one is normalised (Ba et al. 2016)."""
    tied: bool = False
    """The output layer is the transposed token embedding (Press and Wolf 2017)."""
    context: int = 0
    """Number of parts, 0 to 16, whose sounding notes the network takes as input, with the position
    in the bar and the token. 0: the token alone. See `musegen.encoding.context`."""
    lookback: bool = False
    """The network also takes the tokens that followed earlier places of the piece like the present
    one, and may raise their logits. Needs a `context`. See `musegen.encoding.context.lookback`."""
    future: int = 0
    """For a model that fills gaps: state width of a recurrent layer that reads what follows a gap,
    from its far end back to the gap. 0: a model that continues. See `musegen.encoding.gaps`."""

    CHECKS = (
        Check("cell", either("lstm", "gru", "rnn"), "Pick one."),
        Check("layers", within(1, 8), "Two is a good start."),
        Check("units", within(1, 4096), "256 is a good start."),
        Check("embedding", within(1, 4096), "128 is a good start."),
        Check("dropout", below(1), "Try 0.3."),
        Check("context", within(0, 16), "Use the music's number of parts."),
        Check("future", within(0, 4096), "128 is a good start; 0 continues."),
        Check("vocabulary_size", above(1), "Use len(vocabulary)."),
    )

    def __post_init__(self) -> None:
        """Check the settings, and those that depend on others."""
        super().__post_init__()
        require(
            self.context > 0 or not self.lookback,
            "lookback must be off where there is no context",
            self.lookback,
            "Set context to the music's number of parts.",
        )


@dataclass(frozen=True)
class SamplerConfig(_Config):
    """How a token is drawn from the model's logits. The filters apply in the order listed.

    Example:
        >>> from musegen import SamplerConfig
        >>> SamplerConfig(temperature=0.9, top_p=0.95).top_p
        0.95
    """

    temperature: float = 1.0
    """Logits are divided by it: below 1 safer, above 1 bolder."""
    top_k: int = 0
    """Keep the k likeliest tokens (Fan et al. 2018); 0 keeps all."""
    top_p: float = 1.0
    """Keep the likeliest tokens that together reach this probability (Holtzman et al. 2020);
    1 keeps all."""
    min_p: float = 0.0
    """Keep tokens at least this fraction as likely as the likeliest (Nguyen et al. 2024);
    0 keeps all."""
    temperatures: dict[str, float] = field(default_factory=dict)
    """Kind of event → the temperature at which the value of that kind is drawn. How likely the kind
    is against other kinds still depends on `temperature`."""
    repetition_penalty: float = 1.0
    """log p of recently struck pitches is multiplied by it (after Keskar et al. 2019): above 1
    rarer."""
    repetition_window: int = 16
    """Number of preceding notes that count as recent. Bars, positions and durations have to recur
    and are not penalised."""

    CHECKS = (
        Check("repetition_penalty", within(1, 100), "Use 1 for none, 1.2 for a gentle one."),
        Check("repetition_window", at_least(1), "Try 16."),
        Check("top_k", within(0, 2**31 - 1), "Use 0 to keep all tokens."),
        Check(
            "top_p",
            Rule(lambda p: 0 < p <= 1, "above 0 and at most 1"),
            "Use 1 to keep all tokens.",
        ),
        Check("min_p", within(0, 1), "Use 0 to keep all tokens."),
    )

    def __post_init__(self) -> None:
        """Check the settings, and all temperatures."""
        super().__post_init__()
        allowed = within(0.001, 1000)  # logits are float32: no 1e-40, no 1e39
        for value in (self.temperature, *self.temperatures.values()):
            expected = f"temperature must be {allowed.words}"
            require(allowed.holds(value), expected, value, "Use 0.01 for near-greedy sampling.")


@dataclass(frozen=True)
class TrainingConfig(_Config):
    """How a model is fitted.

    Example:
        >>> from musegen import TrainingConfig
        >>> TrainingConfig(epochs=10, transpose=5).optimizer
        'adamw'
    """

    sequence_length: int = 256
    """Tokens per training window: how far gradients propagate (truncated back-propagation)."""
    batch_size: int = 64
    """Windows per step, each in a row of its own."""
    tbptt: bool = False
    """Carry the state from each window to the next of the same piece, instead of starting every
    window from zero."""
    epochs: int = 30
    """Passes over the training pieces, at most; the last batch is filled up with pieces of another
    pass."""
    optimizer: str = "adamw"
    """`adamw` (Loshchilov and Hutter 2019), `sgd` (with momentum 0.9) or `rmsprop`."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    schedule: str = "cosine"
    """After the warm-up the learning rate falls as a `cosine` to 0, is halved at each `plateau` of
    the validation likelihood, or stays `constant`."""
    warmup: float = 0.05
    """Share of all steps in which the learning rate rises linearly from 0."""
    weight_decay: float = 0.01
    """Decoupled weight decay; biases and normalisations are exempt."""
    global_clipnorm: float = 1.0
    """Gradients are scaled so that their global norm is at most this; 0 turns it off."""
    clipvalue: float = 0.0
    """Each component of the gradient is clipped to at most this, in place of `global_clipnorm`;
    0 turns it off."""
    ema: float = 0.0
    """Validate and keep the exponential moving average of the weights with this momentum, as
    0.999; 0 for none."""
    label_smoothing: float = 0.0
    """Share of the target's probability spread over all tokens (Szegedy et al. 2016)."""
    precision: str = "auto"
    """`float32`, `mixed_bfloat16` (products in bfloat16, weights in float32), or `auto`: mixed on a
    GPU."""
    transpose: int = 0
    """Each training piece is transposed by a random interval up to this many semitones, drawn in
    each epoch."""
    part_dropout: float = 0.0
    """Share of the training pieces that are reduced, in each epoch, to a random choice of at least
    one of their parts, so that a model of four voices also learns to continue one or two."""
    tempo_scaling: float = 0.0
    """Performances are played up to this share slower or faster, drawn in each epoch."""
    velocity_scaling: float = 0.0
    """Pieces are played up to this share louder or softer, drawn in each epoch."""
    patience: int = 5
    """Stop after this many epochs without a better validation likelihood."""
    seed: int = 0
    """Seeds the split of folders (a store has its own), the weights, the order of the data and
    their augmentation."""

    CHECKS = (
        Check("sequence_length", at_least(2), "See TrainingConfig."),
        Check("batch_size", at_least(1), "See TrainingConfig."),
        Check("epochs", at_least(1), "See TrainingConfig."),
        Check("patience", at_least(1), "See TrainingConfig."),
        Check("seed", at_least(0), "See TrainingConfig."),
        Check("optimizer", one_of("adamw", "sgd", "rmsprop"), "Use adamw."),
        Check("schedule", one_of("cosine", "plateau", "constant"), "Use cosine."),
        Check("precision", one_of("auto", "float32", "mixed_bfloat16"), "Use auto."),
        Check("warmup", below(1), "See TrainingConfig."),
        Check("ema", below(1), "See TrainingConfig."),
        Check("label_smoothing", below(1), "See TrainingConfig."),
        Check("tempo_scaling", below(1), "See TrainingConfig."),
        Check("velocity_scaling", below(1), "See TrainingConfig."),
        Check("weight_decay", at_least(0), "Use 0 for none."),
        Check("global_clipnorm", at_least(0), "Use 0 for none."),
        Check("clipvalue", at_least(0), "Use 0 for none."),
        Check("learning_rate", above(0), "Try 0.002."),
        Check("part_dropout", within(0, 1), "Try 0.3."),
        Check("transpose", within(0, 24), "Try 5."),
    )

    def __post_init__(self) -> None:
        """Check the settings, and those that depend on others."""
        super().__post_init__()
        both = (self.global_clipnorm, self.clipvalue)
        require(
            0 in both,
            "one of global_clipnorm and clipvalue must be 0",
            both,
            "Set global_clipnorm to 0.",
        )


@dataclass(frozen=True)
class ConstraintConfig(_Config):
    """Constraints on a continuation. `musegen.generation.constraints` parses the texts.

    Example:
        >>> from musegen import ConstraintConfig
        >>> ConstraintConfig(key="auto", range="C3:C6", end="cadence").density
        ''
    """

    key: str = "none"
    """`none`, `auto` (the key of the primer), or a key as `C:minor`, `Bb`, `F#m`, outside of which
    no pitch is struck."""
    range: str = ""
    """Lowest and highest pitch, as `C3:C6`, `48:84`, `C3:` or `:C6`."""
    max_polyphony: int = 0
    """Number of pitched notes that may sound at once, over all parts; 0 for no limit."""
    min_note: str = ""
    """The shortest note value, as `1/16` or `1/8.`."""
    max_note: str = ""
    """The longest note value, as `1/2`."""
    density: str = ""
    """Number of notes that begin in a bar, over all parts: `4:8`, `4:` (at least), `:8` (at most)
    or `6`."""
    parallels: bool = True
    """Whether two parts may move in parallel fifths and octaves, or from one to the next by
    contrary motion."""
    end: str = "cut"
    """`cut` (at the barline), `cadence` (on the tonic, on a strong beat), or `fade` (softer)."""

    CHECKS = (
        Check("max_polyphony", within(0, 128), "Use 0 for any number of notes."),
        Check("end", either("cut", "cadence", "fade"), "Pick one."),
    )
