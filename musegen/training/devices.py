"""The devices that Keras computes on, their precision, and whether cuDNN applies."""

from __future__ import annotations

from musegen.config import ModelConfig, TrainingConfig
from musegen.model.backend import keras

__all__ = ["device", "gpus", "policy", "without_cudnn"]


def devices() -> list[str]:
    """Return the devices of the kind that Keras prefers: all GPUs, or else CPUs."""
    if keras.backend.backend() == "torch":  # no list there, but a tensor is on the device used
        return [str(keras.ops.zeros(()).device)]
    return keras.distribution.list_devices()


def gpus() -> list[str]:
    """Return the devices that are not CPUs."""
    return [name for name in devices() if "cpu" not in name.lower()]


def device() -> str:
    """Return the devices as text: `gpu:0 (tensorflow)`."""
    return f"{', '.join(devices()) or 'cpu'} ({keras.backend.backend()})"


def policy(config: TrainingConfig) -> str:
    """Return the precision of a run; `auto` is mixed on a GPU."""
    if config.precision != "auto":
        return config.precision
    return "mixed_bfloat16" if gpus() else "float32"


def without_cudnn(model: ModelConfig, backend: str) -> str | None:
    """Return why cuDNN's recurrent kernels will not be used on a GPU, or None if they will.

    Their other requirements (default activations, no recurrent dropout, no masks) every model
    meets.
    """
    if model.cell == "rnn":
        return "Keras has no cuDNN kernel for the simple RNN: use --cell gru or lstm"
    if model.cell == "gru" and backend == "jax":
        return (
            "Keras has no cuDNN kernel for GRU on JAX: "
            "use --cell lstm, or KERAS_BACKEND=tensorflow or torch"
        )
    return None
