"""Training on several processes and devices at once, on one machine or many: data parallelism, on JAX.

Every process makes the same batches, and feeds its own rows of them to its own devices. The loss is
that of the whole batch, so JAX adds the gradients up, and all processes go through the weights that
one would go through with the whole batch. The first process alone writes files; all must see the
folder of the run.

JAX, because Keras distributes nothing on PyTorch, and `fit` under TensorFlow's
MultiWorkerMirroredStrategy does not work with Keras 3
(https://github.com/keras-team/keras/issues/20585).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

from musegen.config import TrainingConfig
from musegen.errors import TrainingError
from musegen.model.backend import keras, native_messages_held_back

__all__ = ["ALONE", "Group", "grouped", "join"]

JOINING = 300  # seconds in which all processes must have been started
# Seconds without a sign of life after which a process counts as lost, where no connection breaks
# before
SILENCE = 10
# Seconds in which a process that is done waits for the others: the first measures the model
# meanwhile
LEAVING = 3600
LOST = (
    "lost touch with the other processes: one of them ended, or the network between them. "
    "What was last saved of the run is kept: start all of them again, with --resume, to go on."
)
SIGNS = (
    "Gloo",
    "NCCL",
    "UNAVAILABLE",
    "heartbeat",
    "oordination service",
)  # in what JAX says of a lost process

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Group:
    """The processes that train together, and this one's place among them.

    Attributes:
        index: Which of them this is; the first, 0, writes the files.
        processes: How many there are.
        devices: How many devices they have together; the rows of a batch are dealt out to them.
    """

    index: int = 0
    processes: int = 1
    devices: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.index == 0

    def check(self, config: TrainingConfig) -> None:
        """Make sure that a batch can be dealt out.

        Raises:
            TrainingError: Devices would get different numbers of rows.
        """
        if config.batch_size % self.devices:
            more = -(-config.batch_size // self.devices) * self.devices
            raise TrainingError(
                f"batch_size must be a multiple of the number of devices, {self.devices}. "
                f"Received: {config.batch_size}. Try --batch-size {more}."
            )

    def share(self, batches: keras.utils.PyDataset) -> keras.utils.PyDataset:
        """Return batches with the rows that this process feeds."""
        return batches if self.processes == 1 else _Share(batches, self)

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.processes > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices("musegen")

    def sources(self, folders: Sequence[Path], run: Path, store: str) -> Sequence[Path]:
        """Return where the data of a run come from: for others than the first, its store, if it encoded `folders`.

        Raises:
            TrainingError: The folder of the run is not that of the first process.
        """
        if self.first:
            return folders
        if not run.exists():
            raise TrainingError(
                f"all processes must see the same output folder. Received: {run.parent}, in which {run.name}, which "
                "the first process made, is missing. Choose an -o on a disk that they share."
            )
        return [run / store] if (run / store).exists() else folders

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Let the first process do something, and the others when it is done."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()


ALONE = Group()


class _Share(keras.utils.PyDataset):  # type: ignore[misc]
    """The rows of each batch that one process feeds: of `B` rows, from `B · index / processes` on."""

    def __init__(self, batches: keras.utils.PyDataset, group: Group) -> None:
        super().__init__()
        self._batches, self._group = batches, group

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        return keras.tree.map_structure(self._mine, self._batches[index])

    def _mine(self, array: Any) -> Any:
        rows = len(array) // self._group.processes
        return array[rows * self._group.index :][:rows]


def join(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    timeout: int = JOINING,
) -> Group:
    """Join the other processes of a run. To be called before JAX computes anything, with the same in all.

    What is left out is found out where JAX can: under Slurm, Open MPI, Kubernetes and on Cloud
    TPUs. Elsewhere, with nothing given, this process trains alone, on all its devices.

    Args:
        coordinator: `host:port` of the first process, on which it listens.
        processes: How many there are.
        process: Which of them this is, from 0.
        timeout: Seconds in which all must have been started.

    Raises:
        TrainingError: Keras runs on another backend, the settings are incomplete, or the others did
            not come.
    """
    if keras.backend.backend() != "jax":
        raise TrainingError(
            "training on several devices or processes needs Keras's JAX backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=jax; `pip install 'musegen[jax]'` brings it."
        )
    import jax

    given = (coordinator, processes, process)
    where = f"{coordinator or 'the coordinator'}, {processes or 'all'} processes"
    _say_when_aborted(
        f"{where}: not all of them came together within {timeout} s. Start each with the same --coordinator and "
        "--processes and its own --process, from 0, and see that they reach the coordinator's port."
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
        if given == (None, None, None) and "coordinator_address" in str(
            error
        ):  # JAX found no cluster
            return Group(devices=jax.device_count())
        raise TrainingError(
            f"--coordinator HOST:PORT, --processes N and --process K, 0 to N - 1, are needed, before JAX computes "
            f"anything. Received: {given}: {error}"
        ) from error
    if jax.device_count() != jax.process_count() * jax.local_device_count():
        raise TrainingError(
            f"all processes must have as many devices. Received: {jax.local_device_count()} of {jax.device_count()} "
            f"in this of {jax.process_count()}. Set CUDA_VISIBLE_DEVICES for each process."
        )
    _say_when_aborted(LOST)
    return Group(jax.process_index(), jax.process_count(), jax.device_count())


def grouped(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function with a keyword argument `group` work on all devices of the group.

    An error ends this process at once when Python ends; JAX would first wait for the others, which
    wait for it.
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        group = kwargs.get("group", ALONE)
        if not isinstance(group, Group) or group.devices == 1:
            return function(*args, **kwargs)
        try:
            with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
                return function(*args, **kwargs)
        except BaseException as error:
            if group.processes > 1:
                atexit.register(_leave)
                if _is_loss(error):
                    raise TrainingError(LOST) from error
            raise

    return wrapper


def _is_loss(error: BaseException | None) -> bool:
    """Return whether an error, or one before it, tells of a lost process; JAX has no class for it."""
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
    """Say something when JAX's C++ code ends the process, and end it with exit code 1.

    That is what it does when the first process is lost, or does not answer; no exception is raised,
    and JAX's callback for it cannot be used (`std::bad_cast`).
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


_handler: Any = None  # C has its address alone
