"""Settings: frozen dataclasses that check themselves, each default written once, here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, ClassVar, Self

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
    """Raise `ConfigError` in the house's form unless `condition` holds."""
    if not condition:
        raise ConfigError(f"{expected}. Received: {received!r}. {remedy}")


def differences(there: _Config, here: _Config) -> str:
    """Return which settings differ, for people; nothing if none do."""
    mine = here.to_dict()
    return "; ".join(
        f"{n} is {v!r} there and {mine[n]!r} here"
        for n, v in there.to_dict().items()
        if v != mine[n]
    )


_KINDS: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "int": (Integral, int),
    "float": (Real, float),
    "str": (str, str),
    "bool": (bool, bool),
    "dict[str, float]": (
        Mapping,
        lambda values: {str(name): float(value) for name, value in values.items()},
    ),
}
"""Annotation of a field → what a value must be, and what makes it plain (NumPy's numbers are not JSON's)."""


class _Config:
    """Conversion from and to plain dictionaries, refusing unknown keys and values of the wrong kind."""

    def _make_plain(self) -> None:
        """Bring every setting to its plain type.

        Raises:
            ConfigError: One is of another kind.
        """
        for setting in fields(self):  # type: ignore[arg-type]
            value = getattr(self, setting.name)
            abstract, plain = _KINDS[str(setting.type)]
            fits = isinstance(value, abstract) and isinstance(value, bool) == (plain is bool)
            require(
                fits,
                f"{setting.name} must be of type {setting.type}",
                value,
                f"See {type(self).__name__}.",
            )
            object.__setattr__(self, setting.name, plain(value))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping.

        Raises:
            ConfigError: A key is unknown, or a value is out of range.
        """
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
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
        return asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class EncoderConfig(_Config):
    """How music becomes tokens. See `musegen.Encoder`."""

    encoding: str = "metric"
    """`metric` (bars and positions; composed music) or `performance` (10 ms steps; played music)."""
    steps_per_quarter: int = 12
    """Metric grid: 12 holds sixteenths and eighth triplets exactly. A multiple of 4."""
    parts: int = 16
    """Metric: how many tracks are told apart, 1 to 64."""
    programs: bool = True
    """Metric: each part declares its General MIDI program."""
    drums: bool = True
    """Metric: drum tracks are carried; otherwise they are left out."""
    velocities: int = 32
    """Number of loudness steps, 0 to 127; 0 leaves loudness out."""
    tempos: int = 32
    """Metric: number of tempo steps from 20 to 300 bpm, 0 to 128; 0 leaves tempo out."""
    sustain: bool = True
    """Performance: hold notes for as long as the sustain pedal does."""

    def __post_init__(self) -> None:
        """Check the settings."""
        self._make_plain()
        require(
            self.encoding in ("metric", "performance"),
            "encoding must be 'metric' or 'performance'",
            self.encoding,
            "Use 'metric' for composed and 'performance' for played music.",
        )
        spq = self.steps_per_quarter
        require(
            4 <= spq <= 96 and spq % 4 == 0,
            "steps_per_quarter must be a multiple of 4 from 4 to 96",
            spq,
            "Use 4 for sixteenths, 12 for sixteenths and triplets.",
        )
        for name, low, high in (("parts", 1, 64), ("velocities", 0, 127), ("tempos", 0, 128)):
            value = getattr(self, name)
            require(
                low <= value <= high, f"{name} must be {low} to {high}", value, "See EncoderConfig."
            )


@dataclass(frozen=True)
class ModelConfig(_Config):
    """The network: an embedding, a stack of recurrent layers, a softmax over the vocabulary."""

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
    """What goes into each layer after the first recurrent one is normalised (Ba et al. 2016)."""
    tied: bool = False
    """The output layer is the token embedding read backwards (Press and Wolf 2017)."""
    context: int = 0
    """How many parts' sounding notes the network sees, with the place in the bar, beside the token: 0 to 16.
    0 is the token alone. See `musegen.encoding.context`."""
    lookback: bool = False
    """Beside the sounding notes the network sees what came next where the piece was alike before, and may make those
    tokens likelier. Needs a `context`. See `musegen.encoding.context.lookback`."""
    future: int = 0
    """State width of a recurrent layer that reads what comes after a gap, from its far end back to the gap: of a
    model that fills gaps. 0 is a model that continues. See `musegen.encoding.gaps`."""

    def __post_init__(self) -> None:
        """Check the settings."""
        self._make_plain()
        require(
            self.cell in ("lstm", "gru", "rnn"),
            "cell must be 'lstm', 'gru' or 'rnn'",
            self.cell,
            "Pick one.",
        )
        require(1 <= self.layers <= 8, "layers must be 1 to 8", self.layers, "Two is a good start.")
        require(
            1 <= self.units <= 4096, "units must be 1 to 4096", self.units, "256 is a good start."
        )
        require(
            1 <= self.embedding <= 4096,
            "embedding must be 1 to 4096",
            self.embedding,
            "128 is a good start.",
        )
        require(
            0 <= self.dropout < 1,
            "dropout must be at least 0 and below 1",
            self.dropout,
            "Try 0.3.",
        )
        require(
            0 <= self.context <= 16,
            "context must be 0 to 16",
            self.context,
            "Use the music's number of parts.",
        )
        require(
            self.context > 0 or not self.lookback,
            "lookback must be off where there is no context",
            self.lookback,
            "Set context to the music's number of parts.",
        )
        require(
            0 <= self.future <= 4096,
            "future must be 0 to 4096",
            self.future,
            "128 is a good start; 0 continues.",
        )
        require(
            self.vocabulary_size > 1,
            "vocabulary_size must be > 1",
            self.vocabulary_size,
            "Use len(vocabulary).",
        )


@dataclass(frozen=True)
class SamplerConfig(_Config):
    """How a token is drawn from the model's logits. The filters apply in the order listed."""

    temperature: float = 1.0
    """Logits are divided by it: below 1 safer, above 1 bolder."""
    top_k: int = 0
    """Keep the k likeliest tokens (Fan et al. 2018); 0 keeps all."""
    top_p: float = 1.0
    """Keep the likeliest tokens that together reach this probability (Holtzman et al. 2020); 1 keeps all."""
    min_p: float = 0.0
    """Keep tokens at least this fraction as likely as the likeliest (Nguyen et al. 2024); 0 keeps all."""
    temperatures: dict[str, float] = field(default_factory=dict)
    """Kind of event → a temperature of its own, for which value of that kind is drawn; how likely the kind is, against
    other kinds, stays a matter of `temperature`."""
    repetition_penalty: float = 1.0
    """log p of pitches that were struck lately is multiplied by it (after Keskar et al. 2019): above 1 rarer."""
    repetition_window: int = 16
    """How many notes back is lately. Bars, positions and durations have to come again, and are left alone."""

    def __post_init__(self) -> None:
        """Check the settings."""
        self._make_plain()
        for temperature in (
            self.temperature,
            *self.temperatures.values(),
        ):  # logits are float32: no 1e-40, no 1e39
            require(
                0.001 <= temperature <= 1000,
                "temperature must be 0.001 to 1000",
                temperature,
                "Use 0.01 for near-greedy sampling.",
            )
        require(
            1 <= self.repetition_penalty <= 100,
            "repetition_penalty must be 1 to 100",
            self.repetition_penalty,
            "Use 1 for none, 1.2 for a gentle one.",
        )
        require(
            self.repetition_window >= 1,
            "repetition_window must be >= 1",
            self.repetition_window,
            "Try 16.",
        )
        require(
            0 <= self.top_k < 2**31,
            "top_k must be 0 to 2147483647",
            self.top_k,
            "Use 0 to keep all tokens.",
        )
        require(
            0 < self.top_p <= 1,
            "top_p must be above 0 and at most 1",
            self.top_p,
            "Use 1 to keep all tokens.",
        )
        require(
            0 <= self.min_p <= 1, "min_p must be 0 to 1", self.min_p, "Use 0 to keep all tokens."
        )


@dataclass(frozen=True)
class TrainingConfig(_Config):
    """How a model is fitted."""

    sequence_length: int = 256
    """Tokens per training window: how far gradients travel back (truncated back-propagation)."""
    batch_size: int = 64
    """Windows per step, each in a row of its own."""
    tbptt: bool = False
    """Carry the state from each window to the next of the same piece, instead of starting every window from zero."""
    epochs: int = 30
    """Passes over the training pieces, at most; the last batch is filled up with pieces of another pass."""
    optimizer: str = "adamw"
    """`adamw` (Loshchilov and Hutter 2019), `sgd` (with momentum 0.9) or `rmsprop`."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    schedule: str = "cosine"
    """After the warm-up the learning rate falls as a `cosine` to 0, is halved at each `plateau` of the
    validation likelihood, or stays `constant`."""
    warmup: float = 0.05
    """Share of all steps in which the learning rate rises linearly from 0."""
    weight_decay: float = 0.01
    """Decoupled weight decay; biases and normalisations are exempt."""
    global_clipnorm: float = 1.0
    """Gradients are scaled so that their global norm is at most this; 0 turns it off."""
    clipvalue: float = 0.0
    """Each component of the gradient is cut to at most this, in place of `global_clipnorm`; 0 turns it off."""
    ema: float = 0.0
    """Validate and keep the exponential moving average of the weights with this momentum, as 0.999; 0 for none."""
    label_smoothing: float = 0.0
    """Share of the target's probability that is spread over all tokens in the loss (Szegedy et al. 2016)."""
    precision: str = "auto"
    """`float32`, `mixed_bfloat16` (products in bfloat16, weights in float32), or `auto`: mixed on a GPU."""
    transpose: int = 0
    """Each training piece is transposed by a random interval up to this many semitones, each epoch anew."""
    part_dropout: float = 0.0
    """Share of the training pieces of which, each epoch anew, a random choice of the parts plays, at least one,
    so that a model of four voices also learns to go on with one or two of them."""
    tempo_scaling: float = 0.0
    """Performances are played up to this share slower or faster, each epoch anew."""
    velocity_scaling: float = 0.0
    """Pieces are played up to this share louder or softer, each epoch anew."""
    patience: int = 5
    """Stop after this many epochs without a better validation likelihood."""
    seed: int = 0
    """Seeds the split of folders (a store has its own), the weights, the order of data and their variations."""

    def __post_init__(self) -> None:
        """Check the settings."""
        self._make_plain()
        for name, low in (
            ("sequence_length", 2),
            ("batch_size", 1),
            ("epochs", 1),
            ("patience", 1),
            ("seed", 0),
        ):
            require(
                getattr(self, name) >= low,
                f"{name} must be >= {low}",
                getattr(self, name),
                "See TrainingConfig.",
            )
        for name, values in (
            ("optimizer", ("adamw", "sgd", "rmsprop")),
            ("schedule", ("cosine", "plateau", "constant")),
            ("precision", ("auto", "float32", "mixed_bfloat16")),
        ):
            value = getattr(self, name)
            require(
                value in values,
                f"{name} must be one of {', '.join(values)}",
                value,
                f"Use {values[0]}.",
            )
        for name, high in (
            ("warmup", 1),
            ("ema", 1),
            ("label_smoothing", 1),
            ("tempo_scaling", 1),
            ("velocity_scaling", 1),
        ):
            value = getattr(self, name)
            require(
                0 <= value < high,
                f"{name} must be at least 0 and below {high}",
                value,
                "See TrainingConfig.",
            )
        for name in ("weight_decay", "global_clipnorm", "clipvalue"):
            require(
                getattr(self, name) >= 0,
                f"{name} must be >= 0",
                getattr(self, name),
                "Use 0 for none.",
            )
        require(
            self.learning_rate > 0, "learning_rate must be > 0", self.learning_rate, "Try 0.002."
        )
        both = (self.global_clipnorm, self.clipvalue)
        require(
            0 in both,
            "one of global_clipnorm and clipvalue must be 0",
            both,
            "Set global_clipnorm to 0.",
        )
        require(
            0 <= self.part_dropout <= 1,
            "part_dropout must be 0 to 1",
            self.part_dropout,
            "Try 0.3.",
        )
        require(0 <= self.transpose <= 24, "transpose must be 0 to 24", self.transpose, "Try 5.")


@dataclass(frozen=True)
class ConstraintConfig(_Config):
    """What a continuation must keep to, whatever the model likes. `generation.constraints` reads the texts."""

    key: str = "none"
    """`none`, `auto` (the key of the primer), or a key as `C:minor`, `Bb`, `F#m`: no pitch outside of it is struck."""
    range: str = ""
    """Lowest and highest pitch, as `C3:C6`, `48:84`, `C3:` or `:C6`."""
    max_polyphony: int = 0
    """How many pitched notes may sound at once, in all parts together; 0 for any number."""
    min_note: str = ""
    """The shortest note value, as `1/16` or `1/8.`."""
    max_note: str = ""
    """The longest note value, as `1/2`."""
    density: str = ""
    """How many notes begin in a bar, in all parts together: `4:8`, `4:` (at least), `:8` (at most) or `6`."""
    parallels: bool = True
    """Whether two parts may move in parallel fifths and octaves, or from one to the next by contrary motion."""
    end: str = "cut"
    """`cut` (at the barline), `cadence` (on the tonic, on a strong beat), or `fade` (ever softer)."""

    def __post_init__(self) -> None:
        """Check the settings that are not texts."""
        self._make_plain()
        polyphony = self.max_polyphony
        require(
            0 <= polyphony <= 128,
            "max_polyphony must be 0 to 128",
            polyphony,
            "Use 0 for any number of notes.",
        )
        require(
            self.end in ("cut", "cadence", "fade"),
            "end must be 'cut', 'cadence' or 'fade'",
            self.end,
            "Pick one.",
        )
