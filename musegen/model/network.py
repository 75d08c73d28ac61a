"""Build the Keras model of a `ModelConfig`, the same on TensorFlow, JAX and PyTorch."""

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
# cuDNN requires.
CELLS: dict[str, type[keras.layers.RNN]] = {
    "lstm": recurrent.LSTM,
    "gru": recurrent.GRU,
    "rnn": recurrent.SimpleRNN,
}
GATES = {"lstm": (4, 1), "gru": (3, 2), "rnn": (1, 1)}  # products of a cell, and biases of each

Recur = Callable[[keras.layers.RNN, Any, Any], Any]
"""(recurrent layer, its inputs `[B, T, I]`, tokens `int32[B, T]`) → its outputs `[B, T, H]`."""


def build(
    config: ModelConfig,
    *,
    policy: str = "float32",
    recur: Recur = lambda layer, x, tokens: layer(x),
) -> keras.Model:
    """Return the network, which gives logits for the next token at every place of a sequence.

    Tokens `int32[B, T]` → embedding `[B, T, E]` → recurrent layers `[B, T, H]`, with dropout
    before each and before the output → logits `float32[B, T, V]`.

    With `config.context` the inputs are `{"tokens": int32[B, T], "context": int32[B, T, F]}`; the
    second are the features of `musegen.encoding.context`. Each column has an embedding of `WIDTH`,
    from one table for all columns of a kind, concatenated with the token's. With `config.lookback`
    some of the columns are tokens that followed similar earlier places; the last layer is projected
    to a bonus for the logit of each, which is 0 before training (a copying mechanism, as in Grave
    et al. 2017).

    With `config.future` the network fills gaps. It has two more inputs: `{"future": int32[B,
    FUTURE]}`, the tokens after the gap with the far end first, and `{"left": int32[B, T]}`, the
    bars of the gap left to fill; see `musegen.encoding.gaps`. A recurrent layer reads the future
    towards the gap. Its last output and an embedding of `left` are added to the input of the first
    of the other layers. The two directions together are a bidirectional network (Schuster and
    Paliwal 1997) that is read at the gap. What is added is zero at first, so a network that starts
    with the weights of one that continues music computes the same.

    The forget gates of an LSTM start open (bias 1; Jozefowicz et al. 2015, and Keras's default).
    Recurrent kernels start orthogonal, so early gradients neither vanish nor explode. Normalisation
    is inside the residual branches (Xiong et al. 2020), so one path through the network is never
    scaled.

    Args:
        config: The network's shape.
        policy: The dtype policy of the layers, such as `mixed_bfloat16`; logits stay float32.
        recur: How a recurrent layer is applied; training carries state from window to window.
    """
    # Inputs and embeddings; the token embedding is float32 whatever the policy, since tied it also
    # gives the logits.
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    inputs: dict[str, Any] = {"tokens": tokens}
    embedding = keras.layers.ReversibleEmbedding if config.tied else keras.layers.Embedding
    embed = embedding(config.vocabulary_size, config.embedding, name="embedding", dtype="float32")
    x = embed(tokens)
    view = View.of(config)
    if view:
        inputs["context"] = keras.Input((None, len(view.sizes)), dtype="int32", name="context")
        columns = _embedded(inputs["context"], view)
        x = keras.layers.Concatenate(name="inputs", dtype=policy)([x, columns])
    if config.future:
        inputs["future"] = keras.Input((FUTURE,), dtype="int32", name="future")
        inputs["left"] = keras.Input((None,), dtype="int32", name="left")
        x = _conditioned(x, embed(inputs["future"]), inputs["left"], config, policy)

    # The recurrent stack.
    cell = CELLS[config.cell]
    for index in range(config.layers):
        branch = _normalised(x, config, f"norm_{index}", policy) if index else x
        branch = keras.layers.Dropout(config.dropout, name=f"dropout_{index}", dtype=policy)(branch)
        layer = cell(config.units, return_sequences=True, name=f"recurrent_{index}", dtype=policy)
        branch = recur(layer, branch, tokens)
        if index and config.residual:
            x = keras.layers.Add(name=f"residual_{index}", dtype=policy)([x, branch])
        else:
            x = branch
    x = _normalised(x, config, "norm", policy)
    top = x = keras.layers.Dropout(config.dropout, name="dropout", dtype=policy)(x)

    # Logits, and what is added to those of tokens that followed similar places.
    if not config.tied:
        logits = keras.layers.Dense(config.vocabulary_size, dtype="float32", name="logits")(x)
    else:
        if config.units != config.embedding:
            x = keras.layers.Dense(config.embedding, name="projection", dtype=policy)(x)
        logits = embed(x, reverse=True)
    if view.lookbacks:
        project = keras.layers.Dense(
            view.lookbacks, kernel_initializer="zeros", dtype="float32", name="copy"
        )
        copying = Copying(name="copying", dtype="float32")
        logits = copying(logits, project(top), inputs["context"])
    return keras.Model(inputs if len(inputs) > 1 else tokens, logits, name="musegen")


def parameters(config: ModelConfig) -> int:
    """Return the number of weights of the network that `build` returns, by arithmetic.

    Example:
        >>> from musegen import ModelConfig
        >>> parameters(ModelConfig(500, cell="rnn", layers=1, units=10, embedding=4))
        7650
    """
    units, width = config.units, config.embedding
    gates, biases = GATES[config.cell]
    view = View.of(config)
    columns = len(view.sizes) * WIDTH
    entering = width + columns + (config.layers - 1) * units  # inputs of all recurrent layers
    counts = [
        config.vocabulary_size * width,  # token embedding
        gates * units * (entering + config.layers * (units + biases)),  # recurrent layers
        2 * units * config.layers * config.layer_norm,  # normalisations
    ]
    if view:
        counts += [view.rows * WIDTH, (units + 1) * view.lookbacks]
    if config.future:
        back = config.future
        counts += [
            gates * back * (width + back + biases),  # the layer that reads the future
            (back + 1 + LONGEST + 1) * (width + columns),  # its projection; the embedding of `left`
        ]
    if not config.tied:
        counts.append((units + 1) * config.vocabulary_size)
    elif units != width:
        counts.append((units + 1) * width)
    return sum(counts)


@keras.saving.register_keras_serializable("musegen")
class Copying(keras.layers.Layer):  # type: ignore[misc]
    """Adds a bonus to the logits of the tokens that followed K earlier places.

    Logits `float32[B, T, V]`, the bonus of each place `float32[B, T, K]`, and the context, whose
    last K columns are 1 + the tokens, or 0 for none → logits.
    """

    def call(self, logits: Any, bonus: Any, context: Any) -> Any:
        """Return the logits with each place's bonus added to its token's."""
        tokens = ops.arange(1, logits.shape[-1] + 1, dtype="int32")
        for place in range(bonus.shape[-1]):
            column = context.shape[-1] - bonus.shape[-1] + place
            is_token = ops.equal(context[:, :, column, None], tokens)
            logits += ops.where(is_token, bonus[:, :, place, None], 0.0)
        return logits


def _embedded(context: Any, view: View) -> Any:
    """Return the concatenated embeddings of columns, `int32[B, T, F]` → `[B, T, F·WIDTH]`."""
    table = keras.layers.Embedding(view.rows, WIDTH, name="context_embedding", dtype="float32")
    shape = (-1, context.shape[-1] * WIDTH)
    concatenate = keras.layers.Reshape(shape, name="columns", dtype="float32")
    return concatenate(table(context + view.offsets))


def _conditioned(x: Any, future: Any, left: Any, config: ModelConfig, policy: str) -> Any:
    """Return `x`, `[B, T, I]`, conditioned on a future `[B, FUTURE, E]` and bars left `[B, T]`."""
    width = x.shape[-1]
    backward = CELLS[config.cell](config.future, name="backward", dtype=policy)(future)
    aim = keras.layers.Dense(width, kernel_initializer="zeros", name="aim", dtype=policy)(backward)
    aim = keras.layers.Reshape((1, width), name="aim_everywhere", dtype=policy)(aim)
    embed = keras.layers.Embedding(
        LONGEST + 1, width, "zeros", name="left_embedding", dtype="float32"
    )
    return keras.layers.Add(name="aimed", dtype=policy)([x, aim, embed(left)])


def _normalised(x: Any, config: ModelConfig, name: str, policy: str) -> Any:
    """Return `x` layer-normalised, if the network has layer normalisation."""
    if not config.layer_norm:
        return x
    return keras.layers.LayerNormalization(epsilon=config.EPSILON, name=name, dtype=policy)(x)
