from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components.image import component


@component
def record(
    tables: Input[Dataset],
    model: Input[Model],
    synthetic: Input[Dataset],
    evaluation: Input[Artifact],
    audited: Input[Artifact],
    registration: Output[Artifact],
    data_options: str,
    preprocess_options: str,
    generator_options: str,
    sample_options: str,
    evaluate_options: str,
    gate_options: str,
    register_options: str,
    data_md5: str,
    code_commit: str,
    tracking_uri: str,
) -> None:
    """Log the run to the tracking server, whatever its verdict; see `understudy.stages.record`."""
    from pathlib import Path

    from understudy import stages
    from understudy.config import Params
    from understudy.evidence import Evidence

    evidence = Evidence(
        tables=Path(tables.path),
        model_dir=Path(model.path),
        synthetic=Path(synthetic.path) / "synthetic.parquet",
        evaluation=Path(evaluation.path),
        audit=Path(audited.path),
        params=Params.from_json(
            data=data_options,
            preprocess=preprocess_options,
            generator=generator_options,
            sample=sample_options,
            evaluate=evaluate_options,
            gate=gate_options,
            register=register_options,
        ),
        data_md5=data_md5,
        code_commit=code_commit,
    )
    stages.record(evidence=evidence, out=registration.path, tracking_uri=tracking_uri)
