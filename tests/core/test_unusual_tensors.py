"""Tensors that compiled kernels must not touch: traced, fake, nested, wrapped, freed. Others give the usual values."""

import io

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from aoqlab import AOQ, LSQ, LTQ, OscillationTracker, Shifted, StatsQ

pytestmark = pytest.mark.usefixtures("kernels", "as_shipped")

MAKERS = {
    "aoq": lambda: AOQ(2),
    "lsq": lambda: LSQ(2),
    "ltq": lambda: LTQ(2),
    "statsq": lambda: StatsQ(2),
    "shifted": lambda: Shifted(LTQ(2)),
}


def some(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=MAKERS)
def quantizer(request):
    return MAKERS[request.param]().init_from(some(4, 8))


@pytest.fixture(params=[name for name in MAKERS if name != "statsq"])  # which keeps statistics of what it sees
def pure(request):
    return MAKERS[request.param]().init_from(some(4, 8))


TRACED = pytest.mark.filterwarnings(  # torch.jit is deprecated, and in use; checks of shapes become constants
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)


@TRACED
def test_a_traced_quantizer_is_saved_and_gives_the_same(quantizer):
    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(quantizer, some(4, 8)), stream)
    stream.seek(0)
    other = some(4, 8, seed=1)
    assert torch.equal(torch.jit.load(stream)(other), quantizer(other))


@TRACED
def test_traced_codes_are_the_same(pure):
    other = some(4, 8, seed=1)
    traced = torch.jit.trace_module(pure, {"encode": (some(4, 8),)})
    assert torch.equal(traced.encode(other), pure.encode(other))


def test_a_graph_made_of_operations_gives_the_same(pure):
    graph, other = make_fx(pure)(some(4, 8)), some(4, 8, seed=1)
    assert torch.equal(graph(other), pure(other))


def test_an_exported_program_gives_the_same(pure):
    program, other = torch.export.export(pure.eval(), (some(4, 8),)), some(4, 8, seed=1)
    assert torch.equal(program.module()(other), pure(other))


def test_fake_tensors_have_shapes_alone(quantizer):
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert quantizer(torch.empty(4, 8)).shape == quantizer.encode(torch.empty(4, 8)).shape == (4, 8)


def test_nested_tensors_of_torch_are_quantized_row_by_row():
    rows = [some(2, 8), some(3, 8, seed=1)]
    for quantizer in (AOQ(2).init_from(rows[0]), LSQ(2).init_from(rows[0])):
        nested = quantizer(torch.nested.nested_tensor(rows, layout=torch.jagged))
        assert torch.equal(nested.values(), torch.cat([quantizer(row) for row in rows]))


def test_a_tensor_without_its_memory_is_refused(pure):
    x = some(4, 8)
    x.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match=r"a tensor of shape \(4, 8\) has lost its memory"):
        pure(x)
    codes, tracker = torch.zeros(3, dtype=torch.uint8), OscillationTracker((3,), 8)
    tracker.update(codes)
    codes.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match="has lost its memory"):
        tracker.update(codes)


def test_subclasses_and_negated_views_give_the_same(quantizer):
    class Own(torch.Tensor):
        pass

    x = some(4, 8)
    assert torch.equal(quantizer(x.as_subclass(Own)).as_subclass(torch.Tensor), quantizer(x))
    negated = torch.complex(x, x).conj().imag
    assert negated.is_neg() and torch.equal(quantizer(negated), quantizer(negated.clone()))


def test_torch_func_finds_the_gradients_of_autograd(pure):
    x, weights = some(4, 8), some(4, 8, seed=1)
    leaf = x.clone().requires_grad_()
    (pure(leaf) * weights).sum().backward()
    assert torch.equal(grad(lambda t: (pure(t) * weights).sum())(x), leaf.grad)
    own = {name: p.detach() for name, p in pure.named_parameters()}
    found = grad(lambda p: (functional_call(pure, p, (x,)) * weights).sum())(own)
    for name, parameter in pure.named_parameters():
        expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found[name], expected)


def test_vmap_is_row_by_row(pure):
    x = some(4, 8)
    assert torch.equal(vmap(pure)(x), torch.stack([pure(row) for row in x]))
    rows = vmap(grad(lambda row: (pure(row) ** 2).sum()))(x)
    leaf = x.clone().requires_grad_()
    (pure(leaf) ** 2).sum().backward()
    torch.testing.assert_close(rows, leaf.grad)
