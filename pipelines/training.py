"""The training pipeline: from a raw table to an audited generator, registered if it passes.

    preprocess -> train -> sample -> evaluate --+-> record
                                 \\-> audit -----+-> gate -> (PASS) register

Parameters are a data URI, the sections of params.yaml as JSON objects, and what identifies data
and code: `data_md5` (as in a DVC remote) and `code_sha256` make KFP's cache miss when either
changes, `code_commit` is a tag of the model.
"""

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.audit import audit
from components.evaluate import evaluate
from components.gate import gate
from components.preprocess import preprocess
from components.record import record
from components.register import register
from components.sample import sample
from components.train import train
from pipelines.cluster import Place, here
from understudy.config import Params

DEFAULT = Params()
NAME = "understudy-training"


def build(place: Place = here) -> BaseComponent:
    """The pipeline, with its steps placed by `place`."""

    @dsl.pipeline(name=NAME, description="From a raw table to an audited, registered generator")
    def training(
        data: str,
        data_md5: str = "",
        code_sha256: str = "",
        code_commit: str = "",
        tracking_uri: str = "",
        data_options: str = DEFAULT.section_json("data"),
        preprocess_options: str = DEFAULT.section_json("preprocess"),
        generator_options: str = DEFAULT.section_json("generator"),
        sample_options: str = DEFAULT.section_json("sample"),
        evaluate_options: str = DEFAULT.section_json("evaluate"),
        gate_options: str = DEFAULT.section_json("gate"),
        register_options: str = DEFAULT.section_json("register"),
    ) -> None:
        raw = dsl.importer(artifact_uri=data, artifact_class=dsl.Dataset, reimport=True)
        prepared = place(
            preprocess(
                data=raw.output,
                data_options=data_options,
                preprocess_options=preprocess_options,
                data_md5=data_md5,
                code_sha256=code_sha256,
            )
        )
        tables = prepared.outputs["tables"]
        model = place(train(tables=tables, generator_options=generator_options)).outputs["model"]
        synthetic = place(sample(model=model, tables=tables, sample_options=sample_options)).outputs["synthetic"]
        evaluated = place(evaluate(tables=tables, synthetic=synthetic, evaluate_options=evaluate_options))
        audited = place(
            audit(
                tables=tables,
                model=model,
                synthetic=synthetic,
                gate_options=gate_options,
                evaluate_options=evaluate_options,
            )
        )
        evidence = {
            "tables": tables,
            "model": model,
            "synthetic": synthetic,
            "evaluation": evaluated.outputs["evaluation"],
            "audited": audited.outputs["audited"],
            "data_options": data_options,
            "preprocess_options": preprocess_options,
            "generator_options": generator_options,
            "sample_options": sample_options,
            "evaluate_options": evaluate_options,
            "gate_options": gate_options,
            "register_options": register_options,
            "data_md5": data_md5,
            "code_commit": code_commit,
            "tracking_uri": tracking_uri,
        }
        # These two act on a server, which a cached answer would not.
        recorded = place(record(**evidence)).set_caching_options(False)
        verdict = place(gate(audited=audited.outputs["audited"]))
        with dsl.If(verdict.output == "PASS", name="passed"):
            place(register(**evidence)).after(recorded).set_caching_options(False)

    return training
