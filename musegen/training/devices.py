"""What Keras computes on, how precisely, and whether it can use cuDNN."""

from __future__ import annotations

from musegen.config import ModelConfig, TrainingConfig
from musegen.model.backend import keras

__all__ = ["device", "gpus", "policy", "without_cudnn"]


def devices() -> list[str]:
    """Return the devices of the kind that Keras prefers: all GPUs, or else CPUs."""
    if (
        keras.backend.backend() == "torch"
    ):  # Keras has no list there, but what it makes is on the device that it takes
        return [str(keras.ops.zeros(()).device)]
    found: list[str] = keras.distribution.list_devices()
    return found


def gpus() -> list[str]:
    """Return the devices that are no CPUs."""
    return [name for name in devices() if "cpu" not in name.lower()]


def device() -> str:
    """Return what Keras computes on, for people: `gpu:0 (tensorflow)`."""
    return f"{', '.join(devices()) or 'cpu'} ({keras.backend.backend()})"


def policy(config: TrainingConfig) -> str:
    """Return the precision that a run is done in; `auto` is mixed on a GPU."""
    if config.precision != "auto":
        return config.precision
    return "mixed_bfloat16" if gpus() else "float32"


def without_cudnn(model: ModelConfig, backend: str) -> str | None:
    """Return why cuDNN's recurrent kernels will not be used on a GPU, or None if they will.

    All else that they ask for (default activations, no recurrent dropout, no masks) every model
    has.
    """
    if model.cell == "rnn":
        return "Keras has no cuDNN kernel for the simple RNN: use --cell gru or lstm"
    if model.cell == "gru" and backend == "jax":
        return "Keras has no cuDNN kernel for GRU on JAX: use --cell lstm, or KERAS_BACKEND=tensorflow or torch"
    return None
