"""A training step with quantized weights and activations against the full-precision step of the same engine.

``bash run.sh bench training`` (about two minutes on two cores); ``bash run.sh bench training resnet18`` adds ResNet-18.
Images are random numbers: their content changes no time. With a GPU the same comparison runs there, in bfloat16, with
the teacher and compiled.
"""

from __future__ import annotations

import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from aoqlab.kernels import native
from aoqlab.lab import methods, models
from aoqlab.lab.datasets.memory import in_memory
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training.devices import place_for
from aoqlab.lab.training.engine import Trainer
from aoqlab.surgery import quantize

GPU = torch.cuda.is_available()
RECORD_EVERY = 490  # the default, a record per hundredth of the run, in the published one of 49,000 steps


def data(images: int, side: int):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, side, side, 3), dtype=torch.uint8, generator=generator)
    labels = torch.arange(images) % 10
    is_train = torch.ones(images, dtype=torch.bool)
    is_train[-10:] = False
    return in_memory(
        "random", pixels, labels, is_train, classes=[str(i) for i in range(10)],
        flip=True, image_size=None, fingerprint="random", device=torch.device("cuda" if GPU else "cpu"),
    )  # fmt: skip


def trainer(arch: str, method: str, bits: int, batch: int, side: int, *, tracked: bool = True, teacher: bool = GPU):
    native.keep_memory()  # as the engine does when a run begins
    config = TrainConfig(
        arch=arch, method=method, bits=bits, epochs=1, batch_size=batch, lr=1e-3, record_every=RECORD_EVERY
    )
    place = place_for(config)
    images = data(4 * batch + 10, side)
    torch.manual_seed(0)
    start = models.create(arch, image_size=side)
    chosen = methods.get(method)
    model = copy.deepcopy(start)
    if chosen.weights is not None:
        sample, _ = next(iter(images.train.batches(0, seed=0, batch_size=min(64, batch))))
        quantize(model, weights=chosen.weights(bits), activations=chosen.activations(bits), sample=sample.cpu())
    made = Trainer(config, chosen, model.train(), start.eval() if teacher else None, images, place)
    if not tracked:
        made.tracker = None
    return made


def stepper(made: Trainer) -> Callable[[], float]:
    """Seconds of one step, from a moment in the middle of the widening stage, where everything is at work."""
    batches = list(made.data.train.batches(0, seed=0, batch_size=made.config.batch_size))
    made.total_steps = 10**6
    made.step = 4 * 10**5 + 1

    def one() -> float:
        images, labels = batches[made.step % len(batches)]
        started = time.perf_counter()
        made._one_step(images, labels)
        if GPU:
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return one


def compare(title: str, pairs: list[tuple[str, Callable[[], float], Callable[[], float], str]], repeats: int) -> None:
    """Alternate each pair, so that a busy machine slows both; medians of times and of ratios."""
    print(title)
    for what, ours, rival, goal in pairs:
        for _ in range(3):
            ours()
            rival()
        times = [(ours(), rival()) for _ in range(repeats)]
        ratio = statistics.median(a / b for a, b in times)
        ours_ms, rival_ms = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
        print(f"  {what:<52}{ours_ms:>9.1f} ms{rival_ms:>9.1f} ms  ratio {ratio:.3f}  {goal}", flush=True)


MEMORY = """
import re, sys
sys.path.insert(0, "benchmarks")
from training import stepper, trainer

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 2**10

one = stepper(trainer("resnet20", sys.argv[1], int(sys.argv[2]), 128, 32, teacher=False))
for _ in range(4):
    one()
print(peak())
"""


def memory(method: str, bits: int) -> float:
    """Return the peak resident memory in MiB of a process that makes a few training steps.

    It is the median of five, because the C library splits its memory differently each time.
    """
    command = [sys.executable, "-c", MEMORY, method, str(bits)]
    return statistics.median(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)
    )


def tensors(made: Trainer) -> float:
    """Peak of all tensors in MiB: what one step allocates, with weights, optimizer and tracker."""
    one = stepper(made)
    for _ in range(2):
        one()
    if GPU:
        torch.cuda.reset_peak_memory_stats()
        one()
        return torch.cuda.max_memory_allocated() / 2**20
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        one()
    assert profile.profiler is not None
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    lasting = [*made.model.state_dict().values(), *(v for s in made.optimizer.state.values() for v in s.values())]
    lasting += list(made.tracker.buffers()) if made.tracker is not None else []
    return (most + sum(t.numel() * t.element_size() for t in lasting)) / 2**20


def main() -> None:
    place = torch.cuda.get_device_name() if GPU else f"{torch.get_num_threads()} CPU threads"
    batch, repeats = (256, 100) if GPU else (128, 15)
    full = stepper(trainer("resnet20", "fp32", 2, batch, 32))
    two, four = (stepper(trainer("resnet20", "aoq", bits, batch, 32)) for bits in (2, 4))
    plain = stepper(trainer("resnet20", "aoq", 2, batch, 32, tracked=False))
    lsq = stepper(trainer("resnet20", "lsq", 2, batch, 32))
    goals = ("<= 1.15", "", "") if GPU else ("<= 1.25", "<= 1.40", "<= 1.03")
    compare(
        f"ResNet-20, {batch} images of 32 pixels, {place}",
        [
            ("AOQ, 2-bit weights and activations | fp32", two, full, goals[0]),
            ("AOQ, 4-bit weights and activations | fp32", four, full, goals[1]),
            ("LSQ, 2-bit weights and activations | fp32", lsq, full, ""),
            ("AOQ, 2 bits, with tracker | without", two, plain, goals[2]),
        ],
        repeats,
    )
    if "resnet18" in sys.argv[1:] or GPU:
        batch = 256 if GPU else 16
        full = stepper(trainer("resnet18", "fp32", 2, batch, 224))
        two = stepper(trainer("resnet18", "aoq", 2, batch, 224))
        plain = stepper(trainer("resnet18", "aoq", 2, batch, 224, tracked=False))
        compare(
            f"ResNet-18, {batch} images of 224 pixels, {place}",
            [
                ("AOQ, 2-bit weights and activations | fp32", two, full, "<= 1.10 on a GPU"),
                ("AOQ, 2 bits, with tracker | without", two, plain, "<= 1.03"),
            ],
            max(9, repeats // 3),
        )
    settings = [("fp32", 2), ("aoq", 2), ("aoq", 4)]
    whole = {key: (tensors(trainer("resnet20", *key, 128, 32, teacher=False)), memory(*key)) for key in settings}
    print("Peak memory, ResNet-20, batch 128, in MiB (ratio to full precision)  <= 1.3")
    for (method, bits), (exact, process) in whole.items():
        first = whole["fp32", 2]
        name = method if method == "fp32" else f"{method}, {bits} bits"
        ratios = exact / first[0], process / first[1]
        print(f"  {name:<14}tensors {exact:.0f} ({ratios[0]:.2f}), process {process:.0f} ({ratios[1]:.2f})")


if __name__ == "__main__":
    main()
