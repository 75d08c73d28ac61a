"""`ModelConfig` to a Keras model. Keras only: the same code runs on TensorFlow, JAX and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from musegen.config import ModelConfig
from musegen.encoding.context import WIDTH, View
from musegen.encoding.gaps import FUTURE, LONGEST
from musegen.model import recurrent
from musegen.model.backend import keras, ops

__all__ = ["CELLS", "build", "parameters"]

# Keras's layers, faster on CPUs; with default activations, biases and no recurrent dropout, as
# cuDNN asks for.
CELLS: dict[str, type[keras.layers.RNN]] = {
    "lstm": recurrent.LSTM,
    "gru": recurrent.GRU,
    "rnn": recurrent.SimpleRNN,
}
GATES = {"lstm": (4, 1), "gru": (3, 2), "rnn": (1, 1)}  # products of a cell, and biases of each

Recur = Callable[[keras.layers.RNN, Any, Any], Any]
"""(recurrent layer, what goes in `[B, T, ·]`, tokens `int32[B, T]`) → its outputs `[B, T, H]`."""


def build(
    config: ModelConfig,
    *,
    policy: str = "float32",
    recur: Recur = lambda layer, x, tokens: layer(x),
) -> keras.Model:
    """Return the network that gives, at every place of a sequence, logits for the next token.

    Tokens `int32[B, T]` → embedding `[B, T, E]` → recurrent layers `[B, T, H]`, with dropout
    before each and before the output → logits `float32[B, T, V]`.

    With `config.context` the inputs are `{"tokens": int32[B, T], "context": int32[B, T, F]}`, where
    the second is what `musegen.encoding.context` tells of the tokens; each of its columns gets an
    embedding of `WIDTH`, from one table for all columns of a kind, beside the token's. With
    `config.lookback` some of those columns are tokens that came next at earlier places; from the
    last layer follows for each place how much likelier its token becomes, which is 0 before
    training (a copying mechanism, as Grave et al. 2017).

    With `config.future` it fills gaps: of each row it is also told `{"future": int32[B, FUTURE]}`,
    what comes after the gap with the far end first, and `{"left": int32[B, T]}`, how many bars of
    the gap are still to be filled; see `musegen.encoding.gaps`. A recurrent layer reads the future
    towards the gap; what it ends with, and an embedding of `left`, are added to what enters the
    first of the other layers. Together the two directions are a bidirectional network (Schuster and
    Paliwal 1997) that is read at the gap. What is added starts as zeros, so that a network that
    begins with the weights of one that continues computes what that one does.

    The forget gates of an LSTM start open (bias 1), as Jozefowicz et al. 2015 advise and Keras
    does; recurrent kernels start orthogonal, so that early gradients neither vanish nor explode.
    Normalisation stands inside the residual branches (Xiong et al. 2020), so that there is a way
    through the network that nothing scales.

    Args:
        config: The network's shape.
        policy: The dtype policy of the layers, such as `mixed_bfloat16`; logits stay float32.
        recur: How a recurrent layer is applied; training carries state from window to window.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    inputs: dict[str, Any] = {"tokens": tokens}
    # Computed in float32 whatever the policy: tied, it gives the logits.
    embedding = keras.layers.ReversibleEmbedding if config.tied else keras.layers.Embedding
    embed = embedding(config.vocabulary_size, config.embedding, name="embedding", dtype="float32")
    x = embed(tokens)
    view = View.of(config)
    if view:
        inputs["context"] = keras.Input((None, len(view.sizes)), dtype="int32", name="context")
        x = keras.layers.Concatenate(name="inputs", dtype=policy)(
            [x, _embedded(inputs["context"], view)]
        )
    if config.future:
        inputs["future"] = keras.Input((FUTURE,), dtype="int32", name="future")
        inputs["left"] = keras.Input((None,), dtype="int32", name="left")
        x = _conditioned(x, embed(inputs["future"]), inputs["left"], config, policy)
    for index in range(config.layers):
        above = index > 0
        branch = _normalised(x, config, f"norm_{index}", policy) if above else x
        branch = keras.layers.Dropout(config.dropout, name=f"dropout_{index}", dtype=policy)(branch)
        cell = CELLS[config.cell]
        layer = cell(config.units, return_sequences=True, name=f"recurrent_{index}", dtype=policy)
        branch = recur(layer, branch, tokens)
        residual = above and config.residual
        x = (
            keras.layers.Add(name=f"residual_{index}", dtype=policy)([x, branch])
            if residual
            else branch
        )
    x = _normalised(x, config, "norm", policy)
    x = keras.layers.Dropout(config.dropout, name="dropout", dtype=policy)(x)
    heard = x
    if not config.tied:
        logits = keras.layers.Dense(config.vocabulary_size, dtype="float32", name="logits")(x)
    else:
        if config.units != config.embedding:
            x = keras.layers.Dense(config.embedding, name="projection", dtype=policy)(x)
        logits = embed(x, reverse=True)
    if view.lookbacks:
        likelier = keras.layers.Dense(
            view.lookbacks, kernel_initializer="zeros", dtype="float32", name="copy"
        )(heard)
        logits = Copying(name="copying", dtype="float32")(logits, likelier, inputs["context"])
    return keras.Model(inputs if len(inputs) > 1 else tokens, logits, name="musegen")


def parameters(config: ModelConfig) -> int:
    """Return how many weights `build` gives the network, by arithmetic."""
    units, width, (gates, biases) = config.units, config.embedding, GATES[config.cell]
    view = View.of(config)
    beside = len(view.sizes) * WIDTH
    back = config.future
    aim = (
        gates * back * (width + back + biases) + (back + 1 + LONGEST + 1) * (width + beside)
        if back
        else 0
    )
    entering = width + beside + (config.layers - 1) * units  # into all recurrent layers together
    return (
        config.vocabulary_size * width
        + view.rows * WIDTH * bool(view)
        + (units + 1) * view.lookbacks
        + aim
        + gates * units * (entering + config.layers * (units + biases))
        + 2 * units * config.layers * config.layer_norm
        + (0 if config.tied else (units + 1) * config.vocabulary_size)
        + (units + 1) * width * (config.tied and units != width)
    )


@keras.saving.register_keras_serializable("musegen")
class Copying(keras.layers.Layer):  # type: ignore[misc]
    """Makes the tokens that came next at K earlier places likelier.

    Logits `float32[B, T, V]`, by how much `float32[B, T, K]`, and the context, whose last K columns
    are 1 + the tokens and 0 for none → logits.
    """

    def call(self, logits: Any, likelier: Any, context: Any) -> Any:
        """Add what there is to add."""
        tokens = ops.arange(1, logits.shape[-1] + 1, dtype="int32")
        for place in range(likelier.shape[-1]):
            column = context.shape[-1] - likelier.shape[-1] + place
            there = ops.equal(context[:, :, column, None], tokens)
            logits += ops.where(there, likelier[:, :, place, None], 0.0)
        return logits


def _embedded(context: Any, view: View) -> Any:
    """Return the embeddings of the columns, side by side: `int32[B, T, F]` → `float32[B, T, F · WIDTH]`."""
    table = keras.layers.Embedding(view.rows, WIDTH, name="context_embedding", dtype="float32")
    return keras.layers.Reshape((-1, context.shape[-1] * WIDTH), name="columns", dtype="float32")(
        table(context + view.offsets)
    )


def _conditioned(x: Any, future: Any, left: Any, config: ModelConfig, policy: str) -> Any:
    """Return `x`, `[B, T, I]`, with what says where the music must lead to: `[B, FUTURE, E]` and `int32[B, T]`."""
    width = x.shape[-1]
    heard = CELLS[config.cell](config.future, name="backward", dtype=policy)(future)
    aim = keras.layers.Dense(width, kernel_initializer="zeros", name="aim", dtype=policy)(heard)
    aim = keras.layers.Reshape((1, width), name="aim_everywhere", dtype=policy)(aim)
    bars = keras.layers.Embedding(
        LONGEST + 1, width, "zeros", name="left_embedding", dtype="float32"
    )(left)
    return keras.layers.Add(name="aimed", dtype=policy)([x, aim, bars])


def _normalised(x: Any, config: ModelConfig, name: str, policy: str) -> Any:
    if not config.layer_norm:
        return x
    return keras.layers.LayerNormalization(epsilon=config.EPSILON, name=name, dtype=policy)(x)
