"""A first real network: a small convolutional network on scikit-learn's handwritten digits, quantized to a few bits.

Small on purpose: it answers, in seconds, whether what the toy problems show is there in a network on real images.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from . import paths
from ._files import write_atomic
from .losses import dampening_norm, soft_cross_entropy
from .quantizers import AOQ, LSQ, Quantizer
from .schedule import ThreeStage
from .tracker import OscillationTracker

Method = Literal["lsq", "aoq"]
METHODS: tuple[Method, ...] = ("lsq", "aoq")
LAYERS = ("conv2", "conv3")
"""Quantized layers: all convolutions but the first; the last linear layer stays full precision."""
WEIGHTS_FILE = "digits_cnn.safetensors"
TEST_SIZE = 450


class DigitsNet(nn.Module):
    """Three 3x3 convolutions with batch norm, then one linear layer: 8x8 grey images in, 10 logits out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, stride=2, bias=False)
        self.norm2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1, stride=2, bias=False)
        self.norm3 = nn.BatchNorm2d(64)
        self.head = nn.Linear(64, 10)

    def forward(self, images: Float[Tensor, "n 1 8 8"]) -> Float[Tensor, "n 10"]:
        """Logits of grey images with values in [0, 1]."""
        x = torch.relu(self.norm1(self.conv1(images)))
        x = torch.relu(self.norm2(self.conv2(x)))
        x = torch.relu(self.norm3(self.conv3(x)))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def load_digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, then test images and labels; the split is the same for every seed."""
    from sklearn.datasets import load_digits as load

    bunch = load()
    images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(bunch.target)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(labels)))
    test, train = order[:TEST_SIZE], order[TEST_SIZE:]
    return images[train], labels[train], images[test], labels[test]


def _batches(count: int, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Row numbers of full batches, shuffled; batch norm has no use for a last batch of a few images."""
    order = torch.randperm(count, generator=generator)
    return list(order[: count - count % batch_size].split(batch_size))


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images classified right, in eval mode."""
    was_training = net.training
    net.eval()
    share = float((net(images).argmax(1) == labels).double().mean())
    net.train(was_training)
    return share


@torch.no_grad()
def _cross_entropy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    net.eval()
    return float(nn.functional.cross_entropy(net(images), labels))


@torch.no_grad()
def reestimate_batch_norm(net: nn.Module, images: Tensor) -> None:
    """Replace running statistics, which oscillating weights corrupt, by those of the training images."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    kept = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # cumulative average
    net.train()
    for part in images.split(256):
        net(part)
    for m, momentum in zip(norms, kept, strict=True):
        m.momentum = momentum


@torch.no_grad()
def quantized_copy(net: DigitsNet, quantizer: Quantizer) -> DigitsNet:
    """A copy of ``net`` with fake-quantized weights in ``LAYERS``, nothing trained (post-training quantization).

    ``quantizer`` is fitted to each layer anew (``init_from``) and ends fitted to the last.
    """
    copied = copy.deepcopy(net)
    for name in LAYERS:
        weight = copied.get_submodule(name).get_parameter("weight")
        weight.copy_(quantizer.init_from(weight)(weight))
    return copied


def train_full_precision(seed: int, *, epochs: int = 20, batch_size: int = 128, lr: float = 3e-3) -> DigitsNet:
    """Train the start of all quantized runs of one seed: Adam, linear decay to 0, cross-entropy."""
    images, labels, _, _ = load_digits()
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DigitsNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    steps, done = epochs * (len(images) // batch_size), 0
    net.train()
    for _ in range(epochs):
        for rows in _batches(len(images), batch_size, generator):
            optimizer.param_groups[0]["lr"] = lr * (1 - done / steps)
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(net(images[rows]), labels[rows]).backward()
            optimizer.step()
            done += 1
    return net.eval()


def train_quantized(
    start: DigitsNet,
    method: Method,
    seed: int,
    *,
    bits: int = 2,
    epochs: int = 40,
    batch_size: int = 128,
    lr: float = 1e-3,
    schedule: ThreeStage | None = None,
) -> tuple[dict[str, float | str], OscillationTracker]:
    """Quantization-aware training of ``start``'s weights (which stay untouched), with its own logits as the teacher.

    Adam with linear decay to 0 and soft cross-entropy, as in the paper's CIFAR-10 recipe; ``schedule`` (AOQ only) is
    the published one by default. Returns the numbers of the run and the tracker.
    """
    if method not in ("lsq", "aoq"):
        raise ValueError(f"method must be 'lsq' or 'aoq', got {method!r}")
    images, _, test_images, test_labels = load_digits()
    generator = torch.Generator().manual_seed(seed)
    schedule = schedule or ThreeStage()
    with torch.no_grad():
        teacher = start.eval()(images)
    net = copy.deepcopy(start)
    layers = {name: net.get_submodule(name) for name in LAYERS}
    latent, quantizers = {}, {}
    for name, layer in layers.items():
        weight = layer.get_parameter("weight")
        quantizer = AOQ(bits) if method == "aoq" else LSQ(bits)
        parametrize.register_parametrization(layer, "weight", quantizer.init_from(weight))
        latent[name], quantizers[name] = layer.get_parameter("parametrizations.weight.original"), quantizer

    steps, done = epochs * (len(images) // batch_size), 0
    tracker = OscillationTracker({n: w.shape for n, w in latent.items()}, bits, record_every=max(1, steps // 40))
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)

    def enter(progress: float) -> float:
        state = schedule(progress)
        for quantizer in quantizers.values():
            if isinstance(quantizer, AOQ):
                quantizer.set_stage(state)
        tracker.update({n: quantizers[n].encode(w) for n, w in latent.items()})
        return state.dampening if method == "aoq" else 0.0

    net.train()
    for _ in range(epochs):
        for rows in _batches(len(images), batch_size, generator):
            strength = enter(done / steps)
            optimizer.param_groups[0]["lr"] = lr * (1 - done / steps)
            loss = soft_cross_entropy(net(images[rows]), teacher[rows])
            if not math.isfinite(loss.item()):
                raise FloatingPointError(
                    f"loss is {loss.item()} at step {done} of {method}, seed {seed}; lower lr={lr:g}"
                )
            if strength:
                centres = [q.bin_centres(latent[n]) for n, q in quantizers.items() if isinstance(q, AOQ)]
                loss = loss + strength * dampening_norm(latent.values(), centres)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            done += 1
    enter(1.0)
    before = accuracy(net, test_images, test_labels)
    reestimate_batch_norm(net, images)
    numbers: dict[str, float | str] = {
        "method": method,
        "seed": seed,
        "bits": bits,
        "lr": lr,
        "accuracy": accuracy(net, test_images, test_labels),
        "accuracy_before_batch_norm": before,
        "accuracy_full_precision": accuracy(start, test_images, test_labels),
        "test_loss": _cross_entropy(net, test_images, test_labels),
        **tracker.summary(),
    }
    history = tracker.history_frame()
    weighted = history["oscillating_share"] * history["weights"]
    numbers["oscillating_share_mean"] = float(weighted.sum() / history["weights"].sum())
    return numbers, tracker


def _on_one_thread(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call ``work`` with one thread: jobs run side by side, and results do not depend on how many do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work(*arguments, **options)
    finally:
        torch.set_num_threads(threads)


def compare(
    seeds: Sequence[int] = range(5),
    *,
    bits: int = 2,
    full_precision_epochs: int = 12,
    epochs: int = 20,
    progress: Callable[[int], object] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """LSQ and AOQ from the same full-precision start on every seed: a row per run, and the tracker history per layer.

    Runs are made in parallel processes, as many as there are cores; ``progress`` is called with 1 after each run.
    """
    pool = joblib.Parallel(n_jobs=-1, return_as="generator")
    job = joblib.delayed(_on_one_thread)
    starts = dict(
        zip(seeds, pool(job(train_full_precision, s, epochs=full_precision_epochs) for s in seeds), strict=True)
    )
    pairs = [(seed, method) for seed in seeds for method in METHODS]
    jobs = (job(train_quantized, starts[seed], method, seed, bits=bits, epochs=epochs) for seed, method in pairs)
    runs, histories = [], []
    for (seed, method), (numbers, tracker) in zip(pairs, pool(jobs), strict=True):
        runs.append(numbers)
        histories.append(tracker.history_frame().assign(method=method, seed=seed))
        if progress is not None:
            progress(1)
    return pd.DataFrame(runs), pd.concat(histories, ignore_index=True)


def weights_path() -> Path:
    """Where the committed full-precision network is."""
    return paths.data_dir() / WEIGHTS_FILE


def load_pretrained(path: str | Path | None = None) -> DigitsNet:
    """The committed full-precision network (made by ``aoqlab digits``)."""
    path = Path(path) if path is not None else weights_path()
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; make it with: bash run.sh digits")
    net = DigitsNet()
    try:
        net.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{path} is damaged or of another network ({error}); make it again: bash run.sh digits"
        ) from error
    return net.eval()


def main(seed: int = 0) -> None:
    """Train the full-precision network of the notebooks and store it in ``data/``."""
    net = train_full_precision(seed)
    _, _, images, labels = load_digits()
    score = accuracy(net, images, labels)
    meta = {"seed": str(seed), "accuracy": f"{score:.4f}", "torch": torch.__version__}
    write_atomic(weights_path(), lambda file: save_file(net.state_dict(), file, metadata=meta))
    print(f"wrote {weights_path()}: test accuracy {score:.1%} on {TEST_SIZE} digits, seed {seed}")
