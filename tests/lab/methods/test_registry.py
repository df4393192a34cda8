import copy
import json
import math
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from aoqlab.lab import methods
from aoqlab.lab.cli.training import method_options
from aoqlab.lab.methods import registry
from aoqlab.lab.methods.registry import methods_table
from aoqlab.lab.shared import paths
from aoqlab.quantizers import AOQ, LSQ, LTQ, Freezing, StatsQ

NAMES = [
    "aoq",
    "aoq-coupled",
    "aoq-no-dampen",
    "aoq-no-shrink",
    "fp32",
    "lsq",
    "lsq+dampen",
    "lsq+freeze",
    "lsq+oscillate",
    "n2uq",
    "statsq",
]
WEIGHTS = {"aoq": AOQ, "lsq": LSQ, "n2u": StatsQ, "sta": StatsQ}
every_method = pytest.mark.parametrize("name", NAMES)


def test_every_promised_method_is_there():
    assert methods.names() == NAMES


@every_method
def test_prototypes_are_of_the_kind_and_width_asked_for(name):
    method = methods.get(name)
    assert method.name == name and method.summary and "\n" not in method.summary
    if name == "fp32":
        assert method.weights is None and method.activations is None
        return
    for bits in (2, 5):
        weights, activations = method.weights(bits), method.activations(bits)
        inner = weights.inner if name == "lsq+freeze" else weights
        assert isinstance(weights, Freezing) == (name == "lsq+freeze")
        assert type(inner) is WEIGHTS[name[:3]] and weights.bits == activations.bits == bits
        assert type(activations) is (LTQ if name.startswith(("aoq", "n2uq")) else LSQ)
        assert isinstance(activations, LTQ) or (activations.batched and not activations.grid.signed)
        assert method.weights(bits) is not weights


def made_again(described):
    return methods.get(described["name"], **described["options"])


@every_method
def test_a_description_makes_the_same_method_again(name):
    described = json.loads(json.dumps(methods.get(name).describe()))
    assert made_again(described).describe() == described


@every_method
def test_changed_options_are_described(name):
    options = {option: value * 0.5 for option, value in methods.options_of(name).items() if type(value) is float}
    method = methods.get(name, **options, lr_scale={"weights": 0.5})
    described = json.loads(json.dumps(method.describe()))
    assert made_again(described).describe() == described != methods.get(name).describe()
    assert described["lr_scale"] == {"weights": 0.5, "weight_quantizers": 1.0, "activation_quantizers": 0.1}


@every_method
def test_methods_survive_copies_and_other_processes(name):
    method = methods.get(name)
    for other in (copy.deepcopy(method), pickle.loads(pickle.dumps(method))):
        assert other.describe() == method.describe()


def test_published_values_are_the_defaults():
    schedule = methods.get("aoq").schedule
    assert (schedule.shrink_min, schedule.shrink_until, schedule.dampen_from) == (0.3, 0.2, 0.6)
    assert schedule.dampening == 0.01
    assert methods.get("lsq").lr_scale["activation_quantizers"] == 0.1
    freezing = methods.get("lsq+freeze").freezing
    assert (freezing.start, freezing.end, freezing.begin) == (0.1, 0.01, 0.25)
    assert methods.get("lsq+freeze").weights(2).momentum == 0.01


def test_ablations_differ_from_aoq_in_one_part():
    whole = methods.get("aoq").describe()
    changed = {
        "aoq-no-shrink": {"schedule": {**whole["schedule"], "shrink_min": 1.0}},
        "aoq-no-dampen": {"schedule": {**whole["schedule"], "dampening": 0.0}, "regulariser": None},
        "aoq-coupled": {"weights": whole["weights"].replace(")", ", coupled=True)")},
    }
    for name, parts in changed.items():
        expected = {**whole, **parts}
        described = methods.get(name).describe()
        for key in ("weights", "activations", "schedule", "regulariser", "freezing", "lr_scale"):
            assert described[key] == expected[key], (name, key)


def test_ablations_take_every_option_of_aoq_but_what_they_fix():
    whole = methods.options_of("aoq")
    for name, fixed in {
        "aoq-no-shrink": {"shrink_min", "staircase"},
        "aoq-no-dampen": {"dampening"},
        "aoq-coupled": set(),
    }.items():
        options = methods.options_of(name)
        assert options == {option: default for option, default in whole.items() if option not in fixed}
        with pytest.raises(ValueError, match=f"method '{name}' has no option"):
            methods.get(name, **dict.fromkeys(fixed or {"coupled"}, 1))


@pytest.mark.parametrize("name", ["aoq", "aoq-no-shrink", "aoq-no-dampen", "aoq-coupled"])
def test_controls_reach_the_schedule(name):
    assert methods.get(name).schedule.levels_learn and methods.get(name).schedule.perturbation == 0
    schedule = methods.get(name, levels_learn=False, perturbation=1).schedule
    assert (schedule.levels_learn, schedule.perturbation) == (False, 1.0)
    assert method_options(name, ["levels_learn", "False", "perturbation", "1"]) == {
        "levels_learn": False,
        "perturbation": 1.0,
    }


def test_a_coupled_quantizer_may_be_per_channel():
    quantizer = methods.get("aoq-coupled", per_channel=True).weights(3)
    assert quantizer.coupled and quantizer.per_channel


@pytest.mark.parametrize("kind", ["ltq", "lsq", "none"])
def test_activations_can_be_chosen(kind):
    made = [methods.get(name, activations=kind).activations for name in ("aoq", "lsq", "lsq+freeze", "statsq")]
    assert [make and type(make(3)) for make in made] == [{"ltq": LTQ, "lsq": LSQ, "none": None}[kind]] * 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: methods.get("aoq-noshrink"), "unknown method 'aoq-noshrink'; did you mean aoq-no-shrink"),
        (lambda: methods.get("zzz"), "there are aoq, aoq-coupled, "),
        (lambda: methods.get("aoq", foo=1), "method 'aoq' has no option 'foo'; it has shrink_min, "),
        (lambda: methods.get("fp32", dampening=1.0), "method 'fp32' has no option 'dampening'; it has lr_scale"),
        (lambda: methods.get("aoq", shrink_min=0.0), r"shrink_min must be in \(0, 1\], got 0"),
        (lambda: methods.get("lsq", activations="x"), "activations must be one of ltq, lsq, none, got 'x'"),
        (lambda: methods.get("lsq", lr_scale={"steps": 1.0}), "lr_scale must have the groups weights, .*, steps"),
        (lambda: methods.get("lsq", lr_scale={"weights": -1.0}), r"lr_scale\['weights'\] must be finite and not nega"),
        (lambda: methods.get("lsq+dampen", dampening=math.inf), "dampening must be finite and not negative, got inf"),
        (lambda: methods.get("lsq+dampen", begin=1.0), r"begin must be in \[0, 1\), got 1"),
        (lambda: methods.get("lsq+oscillate", lambda_=-1.0), "lambda_ must be finite and not negative, got -1"),
        (lambda: methods.get("lsq+freeze", threshold_end=0.0), r"end must be a frequency in \(0, 1\], got 0"),
        (lambda: methods.get("lsq+freeze", begin=-0.1), r"begin must be in \[0, 1\), got -0.1"),
        (lambda: methods.Method("x", "y", lr_scale={"weights": 1.0}), "lr_scale must have the groups weights, "),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_freezing_threshold_falls_along_half_a_cosine():
    schedule = methods.FreezeSchedule(0.1, 0.02, 0.2)
    assert schedule(0.0) == schedule(0.19) == math.inf
    for progress in (0.2, 0.4, 0.6, 1.0):
        t = (progress - 0.2) / 0.8
        assert schedule(progress) == pytest.approx(0.02 + 0.08 * (1 + math.cos(math.pi * t)) / 2)
    with pytest.raises(ValueError, match=r"progress must be in \[0, 1\], got 1.6"):
        schedule(1.5)


def test_a_new_method_is_one_function(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    register = methods.register(label="LSQ, unchanged", color="#123456")

    @register
    def lsq_plus_nothing(*, amount: float = 2.0):
        """LSQ and nothing more.

        The rest of the docstring.
        """
        return methods.get("lsq", lr_scale={"weights": amount})

    assert methods.summary_of("lsq+nothing") == "LSQ and nothing more"
    method = methods.get("lsq+nothing", amount=3.0)
    assert method.name == "lsq+nothing" and method.lr_scale["weights"] == 3.0 and method.options == {"amount": 3.0}
    assert (methods.label_of("lsq+nothing"), methods.color_of("lsq+nothing")) == ("LSQ, unchanged", "#123456")
    with pytest.raises(ValueError, match=r"already a method 'lsq\+nothing'"):
        register(lsq_plus_nothing)
    with pytest.raises(ValueError, match="needs a docstring"):
        register(lambda: None)
    with pytest.raises(ValueError, match="the form #rrggbb, got 'red'"):
        methods.register(label="LSQ", color="red")


def test_a_method_is_found_by_its_file(monkeypatch, tmp_path):
    """Nothing lists the methods: a file in the folder is enough."""
    folder = tmp_path / "methods"
    shutil.copytree(Path(methods.__file__).parent, folder)
    text = (folder / "lsq.py").read_text().replace("def lsq(", "def lsq_again(").replace("from ...", "from aoqlab.")
    (folder / "again.py").write_text(text)
    code = (
        "import sys, aoqlab.lab; aoqlab.lab.__path__.insert(0, sys.argv[1]);"
        "from aoqlab.lab import methods; assert 'lsq-again' in methods.names(), methods.__file__"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_the_table_of_methods_is_that_of_the_documents():
    """`methods_table` writes it; see CONTRIBUTING.md."""
    document = paths.project_root() / "docs" / "methods.md"
    assert f"\n{methods_table()}\n" in document.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in methods_table() for name in NAMES)


def test_names_and_summaries_need_no_torch():
    code = (
        "import sys; from aoqlab.lab import methods; [methods.summary_of(n) for n in methods.names()];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@every_method
def test_one_step_of_every_method_by_its_declaration(name):
    """What the training engine does with one, on a single layer: weights, schedule, regulariser, freezing."""
    method, w = methods.get(name), torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    if method.weights is None:
        return
    quantizer = method.weights(2).init_from(w)
    for progress in (0.0, 0.5, 1.0):
        state = method.schedule(progress) if method.schedule else None
        if state:
            quantizer.set_stage(state)
        if method.freezing:
            quantizer.track(quantizer.encode(w))
            quantizer.freeze(torch.full(w.shape, 0.02), method.freezing(progress))
        loss = quantizer(w).square().sum()
        penalty = method.regulariser([w], [quantizer], progress, state) if method.regulariser else None
        total = loss if penalty is None else loss + penalty
        (grad,) = torch.autograd.grad(total, w)
        assert torch.isfinite(grad).all()
        with torch.no_grad():
            w -= 0.01 * grad
    assert not method.freezing or quantizer.frozen.all()


def test_options_may_be_whole_numbers():
    assert methods.get("aoq", shrink_min=1, dampening=0).schedule.shrink_min == 1.0
    assert methods.get("lsq+dampen", dampening=1, begin=0).regulariser.final == 1
    assert methods.get("lsq+oscillate", lambda_=14, lr_scale={"weights": 1}).regulariser.lambda_ == 14
    assert methods.get("lsq+freeze", threshold_start=1, begin=0, momentum=1).freezing(0.0) == 1.0
