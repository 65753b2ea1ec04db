"""Read what KFP's local runner writes: which step runs, how far it is, and why one failed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TextIO

from understudy import errors
from understudy.errors import PipelineError, UnderstudyError
from understudy.progress import Progress, parse

# Usual shares of a run's time, so that the progress of the whole is about linear.
WEIGHTS = {
    "preprocess": 0.06,
    "train": 0.08,
    "sample": 0.04,
    "evaluate": 0.36,
    "audit": 0.3,
    "record": 0.1,
    "gate": 0.01,
    "register": 0.05,
}
_COLOUR = re.compile(r"\x1b\[\d+m")
_BEGINS = re.compile(r"Executing task '([\w-]+)'")
_ENDS = re.compile(r"Task '([\w-]+)' finished with status (\w+)")
_OURS = re.compile(r"^\s*understudy\.errors\.(\w+): (.*)")
_OTHER = re.compile(r"^\s*([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)): (.*)")


@dataclass
class StepLog:
    """What is known of the run so far.

    Attributes:
        seconds: how long each finished step took.
        running: the step that runs, or ran last.
        failed: whether a step failed.
    """

    tell: Progress
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)
    running: str = ""
    failed: bool = False
    _since: float = 0.0
    _error: UnderstudyError | None = None
    _other: str = ""

    def follow(self, lines: Iterable[str], copy: TextIO) -> None:
        """Read `lines` until they end or a step fails, copying them to the log file `copy`."""
        for raw in lines:
            line = _COLOUR.sub("", raw)
            copy.write(line)
            copy.flush()
            self._read(line)
            if self.failed:
                break  # KFP would run the steps that don't depend on it first

    def failure(self, log: str) -> UnderstudyError:
        """The failed step's own error; a bug's, or none at all, becomes a PipelineError naming the log."""
        if self._error is not None:
            return self._error
        step = f"step {self.running!r}" if self.running else "the pipeline"
        if self._other:
            return PipelineError(f"{step} failed: {self._other}; see {log}")
        return PipelineError(f"{step} stopped without a word (killed, or out of memory?); see {log}")

    def _read(self, line: str) -> None:
        if begins := _BEGINS.search(line):
            self.running, self._since = begins[1], self.clock()
            self._tell(0.0, "")
        elif ends := _ENDS.search(line):
            if ends[2] != "SUCCESS":
                self.failed = True
                return
            self._tell(1.0, "done")
            self.seconds[ends[1]] = round(self.clock() - self._since, 2)
        elif reported := parse(line):
            self._tell(*reported)
        elif ours := _OURS.match(line):
            self._error = getattr(errors, ours[1], PipelineError)(ours[2].strip())
        elif other := _OTHER.match(line):
            self._other = f"{other[1]}: {other[2].strip()[:200]}"

    def _tell(self, share: float, message: str) -> None:
        if self.running in WEIGHTS:
            done = sum(WEIGHTS[step] for step in self.seconds if step in WEIGHTS)
            text = f"{self.running}: {message}" if message else self.running
            self.tell(done + share * WEIGHTS[self.running], text)
