"""The process in which KFP's local runner works: it owns stdout, `print` and the logging of its own.

    python -m pipelines.local_worker PIPELINE_ROOT

Started by `pipelines.local` as the leader of its own session. The first line of stdin is the
pipeline's arguments (JSON). The end of stdin means that the parent is gone: then this process
and the steps it runs end too, at once, also when the parent was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings


def main(pipeline_root: str, arguments: dict[str, str]) -> None:
    """Run the training pipeline; raises RuntimeError when a step fails."""
    from kfp import local

    from pipelines import training

    warnings.simplefilter("ignore")
    # Steps use this interpreter: a virtual environment each would be built from a network.
    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner=runner, pipeline_root=pipeline_root, raise_on_error=True)
    training.build()(**arguments)


def end_with_parent() -> None:
    """Wait for the end of stdin, then end the whole session."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    main(sys.argv[1], given)
