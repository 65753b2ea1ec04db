import io

import pytest

from pipelines.steplog import WEIGHTS, StepLog
from understudy.errors import PipelineError, TableError

BEGIN = "10:00:00.000 - INFO - Executing task \x1b[96m'{}'\x1b[0m\n"
END = "10:00:01.000 - INFO - Task \x1b[96m'{}'\x1b[0m finished with status \x1b[92mSUCCESS\x1b[0m\n"
FAILED = "10:00:01.000 - ERROR - Task \x1b[96m'{}'\x1b[0m finished with status \x1b[91mFAILURE\x1b[0m\n"


def follow(*lines: str) -> tuple[StepLog, list[tuple[float, str]], str]:
    seen: list[tuple[float, str]] = []
    ticks = iter(range(1000))
    log = StepLog(lambda share, message: seen.append((round(share, 6), message)), clock=lambda: float(next(ticks)))
    copy = io.StringIO()
    log.follow(lines, copy)
    return log, seen, copy.getvalue()


def test_progress_of_the_whole_never_goes_back_in_any_order_of_steps() -> None:
    order = ["importer", "preprocess", "train", "sample", "audit", "gate", "evaluate", "record", "register"]
    lines = []
    for step in order:
        lines += [BEGIN.format(step), "    understudy progress 0.500 half\n", END.format(step)]
    log, seen, copy = follow(*lines)
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert (round(WEIGHTS["preprocess"] / 2, 6), "preprocess: half") in seen
    assert set(log.seconds) == set(order)
    assert "\x1b" not in copy
    assert not log.failed


def test_a_stages_error_is_the_runs_error_and_the_rest_is_not_waited_for() -> None:
    log, _, copy = follow(
        BEGIN.format("preprocess"),
        "    Traceback (most recent call last):\n",
        "    ValueError: inner\n",
        "    understudy.errors.TableError: t.csv: has a header but no rows; give a table with data\n",
        FAILED.format("preprocess"),
        BEGIN.format("audit"),
    )
    assert log.failed
    error = log.failure("run.log")
    assert type(error) is TableError
    assert str(error) == "t.csv: has a header but no rows; give a table with data"
    assert "audit" not in copy


def test_a_bug_names_the_step_and_the_log() -> None:
    log, _, _ = follow(BEGIN.format("train"), "    numpy.linalg.LinAlgError: Singular matrix\n", FAILED.format("train"))
    error = log.failure("out/run.log")
    assert type(error) is PipelineError
    assert str(error) == "step 'train' failed: numpy.linalg.LinAlgError: Singular matrix; see out/run.log"


def test_a_step_that_was_killed() -> None:
    log, _, _ = follow(BEGIN.format("evaluate"), FAILED.format("evaluate"))
    assert str(log.failure("x")) == "step 'evaluate' stopped without a word (killed, or out of memory?); see x"
    assert str(follow()[0].failure("x")).startswith("the pipeline stopped without a word")
