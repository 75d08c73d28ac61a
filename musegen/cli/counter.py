"""Show how many items a command has processed, how fast, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from musegen.cli.tables import stderr

__all__ = ["Counter"]


class Counter(Progress):
    """A live line on stderr, shown on terminals only.

    A library function calls back with the number of items done and the total; `phase` returns that
    callback:

        with Counter() as counter:
            ingest(folders, output, on_progress=counter.phase("encoding", "files"))

    Import this module inside the command: it imports Rich.
    """

    def __init__(self) -> None:
        """Prepare the line; it appears when a phase reports its first count."""
        console = stderr()
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed}/{task.total} {task.fields[items]}  {task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def phase(self, title: str, items: str = "files") -> Callable[[int, int], None]:
        """Return a callback that shows the progress of one phase, in place of the phase before.

        Items that were done before the first call, by an earlier run, do not count for the speed.

        Args:
            title: What is being done, as `"encoding"`.
            items: What is counted, in the plural.
        """
        first: int | None = None

        def on_progress(done: int, total: int) -> None:
            nonlocal first
            if first is None:
                first = done
                for task in self.task_ids:
                    self.remove_task(task)
                self.add_task(title, total=total, completed=done, items=items, rate="")
                return
            seconds = self.tasks[0].elapsed
            rate = f"{(done - first) / seconds:,.1f}/s" if seconds and done > first else ""
            self.update(self.task_ids[0], completed=done, total=total, rate=rate)

        return on_progress
