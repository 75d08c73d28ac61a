"""Data-parallel training on several devices and processes, on one machine or many, with JAX.

Every process makes the same batches and feeds its own rows of them to its own devices. The loss is
that of the whole batch, so JAX sums the gradients, and all processes hold the weights that a single
process would have. Only the first process writes files; all must see the folder of the run.

Worth: the weights agree with those of one process to 1e-5 (tests, two processes and two devices in
one, on CPUs). Speed on several GPUs has not been measured. See `docs/training.md`.

JAX, because Keras has no distribution on PyTorch, and `fit` under TensorFlow's
MultiWorkerMirroredStrategy does not work with Keras 3
(https://github.com/keras-team/keras/issues/20585).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from musegen.config import TrainingConfig
from musegen.errors import TrainingError
from musegen.model.backend import keras, native_messages_held_back

__all__ = ["ALONE", "Group", "join"]

# Seconds within which all processes must be started.
JOINING = 300
# Seconds without a heartbeat after which a process is lost, if no connection breaks earlier.
SILENCE = 10
# Seconds that a finished process waits for the others; the first still evaluates the model.
LEAVING = 3600
LOST = (
    "lost touch with the other processes: one of them ended, or the network between them failed. "
    "The last save of the run is kept: start all processes again, with --resume, to continue."
)
# Parts of JAX's messages about a lost process.
SIGNS = ("Gloo", "NCCL", "UNAVAILABLE", "heartbeat", "oordination service")


@dataclass(frozen=True)
class Group:
    """The processes that train together, and the index of this one.

    Attributes:
        index: Index of this process; the first, 0, writes the files.
        processes: Number of processes.
        devices: Number of devices of all processes together; they share the rows of a batch.
    """

    index: int = 0
    processes: int = 1
    devices: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.index == 0

    def check(self, config: TrainingConfig) -> None:
        """Make sure that all devices get the same number of rows.

        Raises:
            TrainingError: The batch size is not a multiple of the number of devices.
        """
        if config.batch_size % self.devices:
            more = -(-config.batch_size // self.devices) * self.devices
            raise TrainingError(
                f"batch_size must be a multiple of the number of devices, {self.devices}. "
                f"Received: {config.batch_size}. Try --batch-size {more}."
            )

    def share(self, batches: keras.utils.PyDataset) -> keras.utils.PyDataset:
        """Return batches with only the rows that this process feeds."""
        return batches if self.processes == 1 else _Share(batches, self)

    def wait(self) -> None:
        """Wait until all processes get here."""
        if self.processes > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices("musegen")

    def sources(self, folders: Sequence[Path], run: Path, store: str) -> Sequence[Path]:
        """Return where to read the data: the others read the store that the first has encoded.

        Args:
            folders: The sources given to every process.
            run: Folder of the run.
            store: Name of the store that the first process made in it, if it encoded `folders`.

        Raises:
            TrainingError: This process does not see the run of the first.
        """
        if self.first:
            return folders
        if not run.exists():
            raise TrainingError(
                f"all processes must see the same output folder. Received: {run.parent}, in which "
                f"{run.name}, which the first process made, is missing. "
                "Choose an -o on a disk that they share."
            )
        return [run / store] if (run / store).exists() else folders

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Let the first process run the body, and the others when it is done."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Distribute what Keras computes inside over all devices of the group.

        With several processes, an error makes this process exit at once when Python ends. JAX would
        first wait for the other processes, which wait for this one.

        Raises:
            TrainingError: The connection to another process was lost.
        """
        if self.devices == 1:
            yield
            return
        try:
            with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
                yield
        except BaseException as error:
            if self.processes > 1:
                atexit.register(_leave)
                if _is_loss(error):
                    raise TrainingError(LOST) from error
            raise


ALONE = Group()


class _Share(keras.utils.PyDataset):  # type: ignore[misc]
    """The rows of each batch that one process feeds: B / processes of them, by its index."""

    def __init__(self, batches: keras.utils.PyDataset, group: Group) -> None:
        super().__init__()
        self._batches, self._group = batches, group

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        return keras.tree.map_structure(self._rows, self._batches[index])

    def _rows(self, array: Any) -> Any:
        rows = len(array) // self._group.processes
        return array[rows * self._group.index :][:rows]


def join(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    timeout: int = JOINING,
) -> Group:
    """Join the other processes of a run; call it before JAX computes anything.

    Arguments that are left out are detected under Slurm, Open MPI, Kubernetes and on Cloud TPUs.
    Elsewhere, without arguments, this process trains alone, on all its devices.

    Args:
        coordinator: `host:port` on which the first process listens.
        processes: Number of processes.
        process: Index of this process, from 0.
        timeout: Seconds within which all processes must be started.

    Raises:
        TrainingError: Keras runs on another backend, the arguments are incomplete, or other
            processes are missing.
    """
    if keras.backend.backend() != "jax":
        raise TrainingError(
            "training on several devices or processes needs Keras's JAX backend. "
            f"Received: {keras.backend.backend()}. "
            "Set KERAS_BACKEND=jax; `pip install 'musegen[jax]'` brings it."
        )
    import jax

    given = (coordinator, processes, process)
    where = f"{coordinator or 'the coordinator'}, {processes or 'all'} processes"
    _say_when_aborted(
        f"{where}: not all of them were there within {timeout} s. Start each with the same "
        "--coordinator and --processes and its own --process, from 0, "
        "and make sure that they reach the coordinator's port."
    )
    try:
        with native_messages_held_back():
            jax.distributed.initialize(
                coordinator,
                processes,
                process,
                initialization_timeout=timeout,
                heartbeat_timeout_seconds=SILENCE,
                shutdown_timeout_seconds=LEAVING,
            )
            jax.devices()  # the processes connect
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        no_cluster = "coordinator_address" in str(error)
        if given == (None, None, None) and no_cluster:
            return Group(devices=jax.device_count())
        raise TrainingError(
            "--coordinator HOST:PORT, --processes N and --process K, 0 to N - 1, are needed, "
            f"before JAX computes anything. Received: {given}: {error}"
        ) from error
    if jax.device_count() != jax.process_count() * jax.local_device_count():
        raise TrainingError(
            "all processes must have the same number of devices. "
            f"Received: {jax.local_device_count()} of {jax.device_count()} in this of "
            f"{jax.process_count()}. Set CUDA_VISIBLE_DEVICES for each process."
        )
    _say_when_aborted(LOST)
    return Group(jax.process_index(), jax.process_count(), jax.device_count())


def _is_loss(error: BaseException | None) -> bool:
    """Return whether an error or its cause is a lost process; JAX has no class for it."""
    while error is not None and not isinstance(error, TrainingError):
        if any(sign in str(error) for sign in SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _leave() -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _say_when_aborted(message: str) -> None:
    """Print a message when JAX's C++ code aborts this process, and exit with code 1.

    It aborts when the first process is lost or does not answer. No exception is raised then, and
    JAX's callback for it cannot be used (`std::bad_cast`).
    """
    if os.name != "posix":
        return
    global _handler
    out = os.dup(2)

    def ended(number: int) -> None:
        os.write(out, f"Error: {message}\n".encode())
        os._exit(1)

    _handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(ended)
    ctypes.CDLL(None).signal(int(signal.SIGABRT), _handler)


_handler: Any = None  # kept alive: C has only its address
