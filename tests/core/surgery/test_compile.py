import copy

import pytest
import torch

from aoqlab.quantizers import AOQ, LSQ, LTQ
from aoqlab.surgery import quantize, quantizers_disabled

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Torch's own compiler


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def gradients(model, run, images):
    out = run(images)
    used = [p for p in model.parameters() if p.requires_grad]
    return out, torch.autograd.grad(out.square().mean(), used, allow_unused=True)


@pytest.mark.parametrize(("kind", "activations"), [("resnet", LTQ(2)), ("mixed", LSQ(2))])
def test_compiled_without_graph_breaks_is_eager(as_shipped, request, images, without_kernels, kind, activations):
    model = quantize(request.getfixturevalue(kind), weights=AOQ(2), activations=activations, sample=images)
    twin = copy.deepcopy(model)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with without_kernels():
        expected, wanted = gradients(twin, twin, images)
    out, found = gradients(model, compiled, images)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-6)
    for a, b in zip(found, wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_switching_off_recompiles(as_shipped, resnet, images):
    plain = copy.deepcopy(resnet).eval()
    quantize(resnet.eval(), weights=AOQ(2), activations=LTQ(2), sample=images)
    compiled = torch.compile(resnet, fullgraph=True, backend="aot_eager")
    on = compiled(images)
    with quantizers_disabled(resnet):
        assert torch.allclose(compiled(images), plain(images), rtol=1e-5, atol=1e-6)
    assert torch.equal(compiled(images), on)
