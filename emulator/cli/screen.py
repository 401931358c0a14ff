"""What a person sees while a mesh is built and while it runs, on stderr.

On a terminal: a progress bar, then a table that is drawn anew each second.
Elsewhere (a file, CI, a terminal that cannot move its cursor): a line when a
stage is done, and one line every ten seconds.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..feed.feed import Entry, Watcher
from ..priority import go_before_nodes
from ..shown import printable_lines
from ..signals import held_back
from .output import stderr
from .status import one_line, picture

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LOOK_S = 0.2
_LINE_EVERY_S = 10.0


class Screen:
    """``progress`` while it is built, then ``watching`` while it runs; never both."""

    def __init__(self) -> None:
        self.console = stderr()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._began_s = time.monotonic()

    def say(self, text: str) -> None:
        self.console.print(printable_lines(text), markup=False, soft_wrap=True)

    def progress(self, stage: str, done: int, total: int) -> None:
        """As Emulation's ``on_progress``: ``done`` of ``total`` of a stage."""
        if self.console.is_interactive:  # not so where TERM is dumb
            self._draw(stage, done, total)
            return
        if stage != self._stage:
            self._stage, self._began_s = stage, time.monotonic()
        if done >= total:
            self.say(f"{stage}: {total} in {time.monotonic() - self._began_s:.1f} s")

    def _draw(self, stage: str, done: int, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                console=self.console,
            )  # fmt: skip
            self._bar.start()
        if self._task is None or stage != self._stage:
            self._stage, self._task = stage, self._bar.add_task(stage, total=total)
        self._bar.update(self._task, completed=done, total=total)

    def end_progress(self) -> None:
        """Leave the bars as they are; nothing where there are none."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    @contextlib.contextmanager
    def watching(self, watcher: Watcher) -> Iterator[threading.Event]:
        """Show the status as it comes, until the block is left.

        An error sets the event, and is raised at the block's end.
        """
        from rich.live import Live

        self.end_progress()
        stop, over = threading.Event(), threading.Event()
        errors: list[BaseException] = []

        def show(draw: Callable[[dict[str, Any]], None], every_s: float) -> None:
            try:
                go_before_nodes()  # it shares the interpreter's lock with threads that do
                due_s = time.monotonic() + every_s
                while not stop.is_set():
                    news = watcher.read(_LOOK_S)
                    if isinstance(news, Entry) and news.kind == "status":
                        if time.monotonic() >= due_s and not stop.is_set():
                            draw(news.value)
                            due_s = time.monotonic() + every_s
                    elif news is None:
                        stop.wait(_LOOK_S / 10)  # at its end it does not wait
            except BaseException as error:
                errors.append(error)
                over.set()

        with contextlib.ExitStack() as stack:
            if self.console.is_interactive:
                live = stack.enter_context(Live(console=self.console, auto_refresh=False, transient=True))
                arguments = (
                    lambda now: live.update(picture(now, self.console.width), refresh=True),
                    0.0,  # as often as it comes
                )
            else:
                arguments = (lambda now: self.say(one_line(now)), _LINE_EVERY_S)
            thread = threading.Thread(target=show, args=arguments, name="screen", daemon=True)
            try:
                # one that is left behind may hold stderr's lock when the interpreter ends, which aborts it
                with held_back():
                    thread.start()
                yield over
            finally:
                with held_back():  # it may be drawing, and must not when the interpreter ends
                    stop.set()
                    if thread.ident is not None:
                        thread.join()
        if errors:
            raise errors[0]


class ScreenLog(logging.Handler):
    """Log records through the screen, so that they do not tear the table; one line each."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._screen.say(f"{record.levelname.lower()}: {record.getMessage()}")
        except Exception:
            self.handleError(record)


@contextlib.contextmanager
def logged_to(screen: Screen) -> Iterator[None]:
    """Warnings of the whole program appear on the screen while the block runs."""
    root = logging.getLogger("orbitmesh")
    handler = ScreenLog(screen)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
