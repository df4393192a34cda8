"""Both exporters of Torch on folded networks with input quantizers, run by onnxruntime."""

import numpy as np
import pytest
import torch
from torch import nn

from aoqlab import AOQ, LSQ, LTQ, Shifted, fold, quantize

pytest.importorskip("onnxscript", reason="the exporters need onnx and onnxscript, which are in aoqlab[dev]")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is in aoqlab[dev]")

pytestmark = [
    pytest.mark.usefixtures("as_shipped"),
    pytest.mark.filterwarnings("ignore"),  # what the exporters say about themselves differs with each release
]


@pytest.mark.parametrize("dynamo", [False, True], ids=["trace", "dynamo"])
@pytest.mark.parametrize(
    "inputs", [LTQ(2), LSQ(2, signed=False), LSQ(3), Shifted(LTQ(2))], ids=["ltq", "lsq-unsigned", "lsq", "shifted"]
)
def test_an_exported_network_gives_the_same(inputs, dynamo, tmp_path):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
    images = torch.randn(16, 3, 8, 8)
    network = nn.Sequential(body, nn.Flatten(), nn.Linear(128, 10))
    quantize(network, weights=AOQ(2), activations=inputs, sample=images)
    folded, file = fold(network.eval()), tmp_path / "network.onnx"
    torch.onnx.export(folded, (images,), file, dynamo=dynamo, **({"external_data": False} if dynamo else {}))
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    np.testing.assert_allclose(found, folded(images).detach().numpy(), rtol=1e-4, atol=1e-5)
