from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components.image import component


@component
def register(
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
    """Register the model and set its aliases; see `understudy.stages.register`."""
    from understudy import stages
    from understudy.evidence import Evidence

    evidence = Evidence.of(
        tables=tables.path, model=model.path, synthetic=synthetic.path, evaluation=evaluation.path,
        audited=audited.path, data_md5=data_md5, code_commit=code_commit, data=data_options,
        preprocess=preprocess_options, generator=generator_options, sample=sample_options, evaluate=evaluate_options,
        gate=gate_options, register=register_options,
    )  # fmt: skip
    stages.register(evidence=evidence, out=registration.path, tracking_uri=tracking_uri)
