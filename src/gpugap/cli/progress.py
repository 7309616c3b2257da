"""Progress of a session on standard error.

The display rests while steps are timed: a moving bar would take time from a core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpugap.core.units import duration, seconds

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from gpugap.cli.output import Output
    from gpugap.core.record import Record
    from gpugap.measure.job import Job
    from gpugap.store.database import Session


class SessionProgress:
    """A bar on a terminal, a line a process elsewhere; implements `gpugap.study.session.Progress`.

    Args:
        output: of the verb.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._done, self._total = 0, 0
        self._label, self._left = "", ""

    def __enter__(self) -> SessionProgress:
        if not self._output.quiet and self._output.notes.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (
                BarColumn(24),
                TextColumn("{task.completed}/{task.total}"),
                TextColumn("{task.description}", markup=False),
            )
            self._bar = Progress(*columns, console=self._output.notes, auto_refresh=False, transient=True)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, session: Session, done: int, total: int) -> None:
        """A session starts or goes on."""
        self._done, self._total = done, total
        if done == total:
            when = session.started_at[:10]
            self._output.note(
                f"all {total} processes were measured on {when} (session {session.session}); --fresh measures again"
            )
        elif done:
            self._output.note(f"resuming session {session.session}: {done} of {total} processes are finished")
        if self._bar is not None:
            self._task = self._bar.add_task("", total=total, completed=done)
            self._bar.refresh()

    def waiting(self) -> None:
        """Another gpugap is measuring."""
        self._show("waiting: another gpugap is measuring on this machine")

    def running(self, job: Job, left_s: float | None) -> None:
        """A process starts."""
        self._label = job.cell.label
        self._left = f", {duration(left_s)} left" if left_s is not None else ""

    def phase(self, name: str) -> None:
        """The process enters a phase."""
        self._show(f"{self._label}: {name}{self._left}")

    def finished(self, record: Record) -> None:
        """A process ended."""
        self._done += 1
        if record.error is not None:
            self._output.note(f"{record.cell.label}: {record.error['message']}")
        elif self._bar is None:
            mean = record.mean_step_time_s
            text = f"{seconds(mean)} a step" if mean is not None else "looked inside"
            self._output.note(f"[{self._done}/{self._total}] {self._label}: {text}{self._left}")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)
            self._bar.refresh()

    def _show(self, text: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text)
            self._bar.refresh()
