"""A quantizer is known by the attributes of its protocol: nothing outside its own file asks for its class."""

import ast
from pathlib import Path

import pytest

import aoqlab
from aoqlab import quantizers
from aoqlab.quantizers import Quantizer

PACKAGE = Path(aoqlab.__file__).parent
CONCRETE = {
    name: kind.__module__
    for name, kind in vars(quantizers).items()
    if isinstance(kind, type) and issubclass(kind, Quantizer) and not kind.__subclasses__()
}


def class_checks(source, module):
    """Lines that ask whether something is a concrete quantizer."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked = node.args[1]
        elif isinstance(node, ast.Compare) and ast.unparse(node.left).startswith("type("):
            asked = node.comparators[0]
        elif isinstance(node, ast.MatchClass):
            asked = node.cls
        else:
            continue
        names = {ast.unparse(part).rpartition(".")[2] for part in ast.walk(asked) if isinstance(part, ast.expr)}
        if any(CONCRETE[name] != module for name in names & CONCRETE.keys()):
            found.append(f"{module}:{node.lineno if hasattr(node, 'lineno') else asked.lineno}")
    return found


def test_the_concrete_quantizers_are_known():
    assert {"AOQ", "LSQ", "LTQ", "StatsQ", "Shifted", "Freezing"} <= CONCRETE.keys()
    assert not {"Quantizer", "UniformQuantizer"} & CONCRETE.keys()


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(q, AOQ)",
        "isinstance(q, (Tensor, quantizers.LSQ))",
        "isinstance(q, LSQ | LTQ)",
        "type(q) is StatsQ",
        "match q:\n    case Freezing():\n        pass",
    ],
)
def test_a_check_for_a_class_is_found(source):
    assert len(class_checks(source, "aoqlab.surgery.rules")) == 1


def test_no_module_asks_for_the_class_of_a_quantizer():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        found += class_checks(path.read_text(encoding="utf-8"), module)
    assert not found
