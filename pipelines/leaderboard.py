"""The leaderboard pipeline: several generators fitted on one table, the best that passes the audit registered.

    preprocess ----+
    candidates ----+-> (each candidate) train -> sample -> evaluate | audit --> promote

Parameters as those of the training pipeline, with a JSON list of `generators` instead of one.
"""

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.audit import audit
from components.candidates import candidates
from components.evaluate import evaluate
from components.preprocess import preprocess
from components.promote import promote
from components.sample import sample
from components.train import train
from pipelines.cluster import Place, here
from understudy.config import Params

DEFAULT = Params()
NAME = "understudy-leaderboard"
GENERATORS = '["autoregressive","forest"]'


def build(place: Place = here) -> BaseComponent:
    """The pipeline, with its steps placed by `place`."""

    @dsl.pipeline(name=NAME, description="Several generators on one table; the best that passes is registered")
    def leaderboard(
        data: str,
        generators: str = GENERATORS,
        data_md5: str = "",
        code_sha256: str = "",
        code_commit: str = "",
        tracking_uri: str = "",
        data_options: str = DEFAULT.section_json("data"),
        preprocess_options: str = DEFAULT.section_json("preprocess"),
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
        listed = place(candidates(generators=generators))
        with dsl.ParallelFor(listed.output, name="each candidate") as options:
            model = place(train(tables=tables, generator_options=options)).outputs["model"]
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
        promoted = promote(
            tables=tables,
            models=dsl.Collected(model),
            synthetics=dsl.Collected(synthetic),
            evaluations=dsl.Collected(evaluated.outputs["evaluation"]),
            audits=dsl.Collected(audited.outputs["audited"]),
            generators=generators,
            data_options=data_options,
            preprocess_options=preprocess_options,
            sample_options=sample_options,
            evaluate_options=evaluate_options,
            gate_options=gate_options,
            register_options=register_options,
            data_md5=data_md5,
            code_commit=code_commit,
            tracking_uri=tracking_uri,
        )
        place(promoted).set_caching_options(False)  # it acts on a server

    return leaderboard
