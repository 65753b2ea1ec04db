from typing import List  # noqa: UP035 - KFP reads this one

from kfp.dsl import Artifact, Dataset, Input, Markdown, Model, Output

from components.image import component


@component
def promote(
    tables: Input[Dataset],
    models: Input[List[Model]],  # noqa: UP006
    synthetics: Input[List[Dataset]],  # noqa: UP006
    evaluations: Input[List[Artifact]],  # noqa: UP006
    audits: Input[List[Artifact]],  # noqa: UP006
    registration: Output[Artifact],
    board: Output[Markdown],
    generators: str,
    data_options: str,
    preprocess_options: str,
    sample_options: str,
    evaluate_options: str,
    gate_options: str,
    register_options: str,
    data_md5: str,
    code_commit: str,
    tracking_uri: str,
) -> None:
    """Record all candidates and register the best that passed; see `leaderboard.promote`."""
    from understudy import leaderboard

    leaderboard.promote(
        tables=tables.path,
        models=[m.path for m in models],
        synthetics=[s.path for s in synthetics],
        evaluations=[e.path for e in evaluations],
        audits=[a.path for a in audits],
        generators=generators,
        out=registration.path,
        board=board.path,
        data_md5=data_md5,
        code_commit=code_commit,
        tracking_uri=tracking_uri,
        data=data_options,
        preprocess=preprocess_options,
        sample=sample_options,
        evaluate=evaluate_options,
        gate=gate_options,
        register=register_options,
    )
