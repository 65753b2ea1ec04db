from typing import List  # noqa: UP035 - KFP reads this one

from components.image import component


@component
def candidates(generators: str) -> List[str]:  # noqa: UP006
    """The generators to compare, each as a JSON section; see `leaderboard.candidates`.

    A single return value: a loop over a named output fails.
    """
    from understudy import leaderboard

    return leaderboard.candidates(generators=generators)
