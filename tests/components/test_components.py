"""Components are thin: their signatures, their image, and the stages they call."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from components.image import IMAGE

ROOT = Path(__file__).parents[2]
NAMES = sorted(p.stem for p in (ROOT / "components").glob("*.py") if "@component" in p.read_text())


def test_there_are_components() -> None:
    assert {"preprocess", "train", "sample", "evaluate", "audit", "gate", "record", "register"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_component_installs_nothing_and_runs_in_the_one_image(name: str) -> None:
    spec = getattr(importlib.import_module(f"components.{name}"), name).component_spec
    container = spec.implementation.container
    assert container.image == IMAGE
    assert "pip install" not in " ".join(container.command)


def stage_call(name: str) -> tuple[ast.FunctionDef, ast.Call, str]:
    """The component's function, its one call of a function of its own name, and the module that it is called in."""
    tree = ast.parse((ROOT / "components" / f"{name}.py").read_text())
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef))
    modules = {
        a.name: f"{n.module}.{a.name}"
        for n in ast.walk(function)
        if isinstance(n, ast.ImportFrom) and n.module in ("understudy", "understudy.monitoring")
        for a in n.names
    }
    calls = [
        n
        for n in ast.walk(function)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and ast.unparse(n.func.value) in modules
    ]
    assert len(calls) == 1, f"{name} calls {[ast.unparse(c.func) for c in calls]}"
    target = calls[0].func
    assert isinstance(target, ast.Attribute) and target.attr == name
    return function, calls[0], modules[ast.unparse(target.value)]


@pytest.mark.parametrize("name", NAMES)
def test_a_component_calls_its_stage_once_and_holds_no_logic(name: str) -> None:
    function, _, _ = stage_call(name)
    kinds = (ast.If, ast.IfExp, ast.While, ast.Try, ast.BoolOp, ast.Compare, ast.BinOp)
    assert not [ast.unparse(n) for n in ast.walk(function) if isinstance(n, kinds)]
    assert ast.get_docstring(function)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_component_gives_its_stage_fits_the_stages_signature(name: str) -> None:
    function, call, module = stage_call(name)
    stage = getattr(importlib.import_module(module), name)
    signature = inspect.signature(stage)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    given = {k.arg for k in call.keywords if k.arg}
    assert not call.args, "stages take keywords"
    assert open_ended or given <= set(signature.parameters), given - set(signature.parameters)
    required = {n for n, p in signature.parameters.items() if p.default is p.empty and p.kind is p.KEYWORD_ONLY}
    assert required <= given, required - given
    # Nothing that a person sets is left unused, but for what is only there for the cache key.
    used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
    unused = {a.arg for a in function.args.args} - used
    assert unused <= {"code_sha256"}


def test_the_gate_returns_a_single_value() -> None:
    """KFP skips a condition on a named output and reports success."""
    from components.gate import gate

    assert list(gate.component_spec.outputs) == ["Output"]
    assert inspect.signature(gate.python_func).return_annotation is str
