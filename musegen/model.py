"""`ModelConfig` to a Keras model. Keras only: the same code runs on TensorFlow, JAX and PyTorch."""

from __future__ import annotations

import keras

from musegen.config import ModelConfig

__all__ = ["CELLS", "build"]

# Default activations, biases and no recurrent dropout: what cuDNN's kernels ask for.
CELLS: dict[str, type[keras.layers.RNN]] = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "rnn": keras.layers.SimpleRNN,
}


def build(config: ModelConfig) -> keras.Model:
    """Return the network that gives, at every place of a sequence, logits for the next token.

    Tokens `int32[B, T]` → embedding `[B, T, E]` → recurrent layers `[B, T, H]`, with dropout
    before each and before the output → logits `float32[B, T, V]`.

    The forget gates of an LSTM start open (bias 1), as Jozefowicz et al. 2015 advise and Keras
    does; recurrent kernels start orthogonal, so that early gradients neither vanish nor explode.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(config.vocabulary_size, config.embedding, name="embedding")(tokens)
    for index in range(config.layers):
        x = keras.layers.Dropout(config.dropout, name=f"dropout_{index}")(x)
        x = CELLS[config.cell](config.units, return_sequences=True, name=f"recurrent_{index}")(x)
    x = keras.layers.Dropout(config.dropout, name="dropout")(x)
    logits = keras.layers.Dense(config.vocabulary_size, dtype="float32", name="logits")(x)
    return keras.Model(tokens, logits, name="musegen")
