"""`understudy stage ...`: one command a stage, as dvc.yaml runs them.

All read the params file and the directory `--out`, in which every stage finds what the ones before
it wrote: preprocess/, model/, synthetic.parquet, evaluation/, audit/. The same layout as that of
`understudy run`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.evidence import Evidence

app = typer.Typer(help="Run one stage of the pipeline over params.yaml, as `dvc repro` does.", no_args_is_help=True)

ParamsFile = Annotated[Path, typer.Option("--params", help="The params file.")]
OutDir = Annotated[Path, typer.Option("--out", help="Where all stages read and write.")]
PARAMS, OUT = Path("params.yaml"), Path("out")


@app.command()
def preprocess(params: ParamsFile = PARAMS, out: OutDir = OUT) -> None:
    """Raw table -> checked and split tables, schema.json, profile.json."""
    from understudy import stages
    from understudy.config import Params

    p = Params.read(params)
    made = stages.preprocess(data=p.source(), out_dir=out / "preprocess", params=p)
    typer.echo("\n".join(made.facts.values()), nl=bool(made.facts))
    _say(made.metrics)


@app.command()
def train(params: ParamsFile = PARAMS, out: OutDir = OUT) -> None:
    """Train table -> a generator's artifact."""
    from understudy import stages
    from understudy.config import Params

    chosen = Params.read(params).generator
    made = stages.train(
        train=out / "preprocess/train.parquet",
        schema=out / "preprocess/schema.json",
        model_dir=out / "model",
        generator=chosen.name,
        config=chosen.config,
        seed=chosen.seed,
        balance=chosen.balance,
    )
    _tell(made.facts)
    _say(made.metrics)


@app.command()
def sample(params: ParamsFile = PARAMS, out: OutDir = OUT) -> None:
    """Generator -> a synthetic table."""
    from understudy import stages
    from understudy.config import Params

    chosen = Params.read(params).sample
    made = stages.sample(
        model_dir=out / "model",
        out=out / "synthetic.parquet",
        n_rows=chosen.n_rows,
        like=out / "preprocess/train.parquet",
        seed=chosen.seed,
        balance=chosen.balance,
    )
    _tell(made.facts)
    _say(made.metrics)


@app.command()
def evaluate(params: ParamsFile = PARAMS, out: OutDir = OUT) -> None:
    """Synthetic table -> report.html and metrics.json."""
    from understudy import stages
    from understudy.config import Params

    chosen = Params.read(params).evaluate
    made = stages.evaluate(
        train=out / "preprocess/train.parquet",
        holdout=out / "preprocess/holdout.parquet",
        synthetic=out / "synthetic.parquet",
        schema=out / "preprocess/schema.json",
        out_dir=out / "evaluation",
        seed=chosen.seed,
        sensitive=chosen.sensitive,
    )
    _say(made.metrics)


@app.command()
def audit(params: ParamsFile = PARAMS, out: OutDir = OUT) -> None:
    """Synthetic table -> audit.html and audit.json. A verdict other than PASS is no error here."""
    from understudy import stages
    from understudy.config import Params

    p = Params.read(params)
    made = stages.audit(
        members=out / "preprocess/members.parquet",
        nonmembers=out / "preprocess/nonmembers.parquet",
        reference=out / "preprocess/reference.parquet",
        synthetic=out / "synthetic.parquet",
        schema=out / "preprocess/schema.json",
        out_dir=out / "audit",
        gate=p.gate,
        generator=out / "model",
        seed=p.evaluate.seed,
    )
    _say(made.metrics)


@app.command()
def gate(out: OutDir = OUT) -> None:
    """Write the audit's verdict to verdict.txt if it is PASS; otherwise exit code 1."""
    from understudy import stages
    from understudy.errors import Rejected
    from understudy.evidence import PASS
    from understudy.files import write_text

    verdict = stages.gate(audit=out / "audit/audit.json")
    if verdict != PASS:
        raise Rejected(f"the audit's verdict is {verdict}; see {out / 'audit/audit.html'}")
    write_text(out / "verdict.txt", verdict + "\n")
    typer.echo(verdict)


@app.command()
def record(params: ParamsFile = PARAMS, out: OutDir = OUT) -> None:
    """Log the run to the tracking server, whatever its verdict."""
    from understudy import stages

    typer.echo(stages.record(evidence=_evidence(params, out), out=out / "record.json").to_json(), nl=False)


@app.command()
def register(params: ParamsFile = PARAMS, out: OutDir = OUT) -> None:
    """Register the model and set its aliases; exit code 1 unless the verdict is PASS."""
    from understudy import stages

    made = stages.register(evidence=_evidence(params, out), out=out / "registration.json")
    typer.echo(made.to_json(), nl=False)


def _evidence(params: Path, out: Path) -> Evidence:
    from understudy.config import Params
    from understudy.evidence import Evidence
    from understudy.provenance import code_commit, file_md5

    p = Params.read(params)
    source = p.source()
    return Evidence(
        model_dir=out / "model",
        tables=out / "preprocess",
        evaluation=out / "evaluation",
        audit=out / "audit",
        synthetic=out / "synthetic.parquet",
        params=p,
        data_md5="" if "://" in source else file_md5(source),
        code_commit=code_commit(),
    )


def _tell(facts: dict[str, str]) -> None:
    if facts:
        typer.echo("  ".join(f"{name}: {value}" for name, value in facts.items()))


def _say(metrics: dict[str, float]) -> None:
    typer.echo("  ".join(f"{name} {value:.6g}" for name, value in metrics.items()))
