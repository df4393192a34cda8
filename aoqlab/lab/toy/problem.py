"""The toy regression: its size, its data, and the settings of one training."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ...arguments import check_bits, check_count, check_number
from ...grids import UniformGrid
from ...schedule import ThreeStage
from ..shared.limits import SEED, check_memory
from ..shared.seeds import mixed

Method = Literal["lsq", "aoq"]


@dataclass(frozen=True)
class RegressionProblem:
    """Size of the problem: true weights uniform on the integer grid, Gaussian samples, no noise.

    The default is the paper's; :data:`REDUCED` has the same shape at a fifth of the size.
    """

    n_weights: int = 10_000
    n_samples: int = 2_000
    batch_size: int = 20
    epochs: int = 200
    bits: int = 2

    def __post_init__(self) -> None:
        check_bits(self.bits)
        for name in ("n_weights", "n_samples", "batch_size", "epochs"):
            check_count(name, getattr(self, name))
        if self.n_samples % self.batch_size:
            raise ValueError(f"batch_size {self.batch_size} must divide n_samples {self.n_samples}")
        if self.n_samples > self.n_weights:
            raise ValueError(
                f"n_samples ({self.n_samples}) must not exceed n_weights ({self.n_weights}): the full-precision start "
                "is the exact fit closest to a random point"
            )

    @property
    def steps(self) -> int:
        return self.epochs * self.n_samples // self.batch_size

    @property
    def grid(self) -> UniformGrid:
        return UniformGrid(self.bits, "mid-tread")


FULL = RegressionProblem()
REDUCED = RegressionProblem(n_weights=2_000, n_samples=400)


@dataclass(frozen=True)
class RegressionData:
    """One seed's data: ``inputs`` (samples, weights), ``targets`` (samples,), ``batches`` (steps, batch) of rows."""

    inputs: Float[Tensor, "samples weights"]
    targets: Float[Tensor, " samples"]
    true_weights: Float[Tensor, " weights"]
    start: Float[Tensor, " weights"]
    """Full-precision start, zero loss: ``z + X^+ (y - X z)`` with ``z ~ N(0, 1)``."""
    batches: Int64[Tensor, "steps batch"]
    seed: int
    """What all this is drawn from, and the noise that training may add."""


def make_data(problem: RegressionProblem, seed: int, *, dtype: torch.dtype = torch.float32) -> RegressionData:
    """Draw the data of one seed (on CPU, so that it is the same for every device)."""
    size = problem.n_samples * (20 * problem.n_weights + 8 * problem.n_samples + 16 * problem.epochs)
    check_memory(f"the data of {problem}", size)  # the samples in three kinds of numbers, their products, the batches
    generator = torch.Generator().manual_seed(check_count("seed", seed, 0, SEED))
    grid = problem.grid
    true = torch.randint(grid.low, grid.high + 1, (problem.n_weights,), generator=generator)
    inputs = torch.randn(problem.n_samples, problem.n_weights, generator=generator).double()
    z = torch.randn(problem.n_weights, generator=generator).double()
    targets = inputs @ true.double()
    # Minimum-norm correction in closed form; double precision, because the start is to have zero loss.
    kernel = torch.linalg.cholesky(inputs @ inputs.T)
    start = z + inputs.T @ torch.cholesky_solve((targets - inputs @ z).unsqueeze(1), kernel).squeeze(1)
    orders = [torch.randperm(problem.n_samples, generator=generator) for _ in range(problem.epochs)]
    batches = torch.stack(orders).reshape(problem.steps, problem.batch_size)
    return RegressionData(inputs.to(dtype), targets.to(dtype), true.to(dtype), start.to(dtype), batches, seed)


def noise(seed: int, step: int, count: int) -> Float[Tensor, " count"]:
    """Draw standard normals that depend on these numbers alone: float32 on the CPU, for every device and dtype."""
    return torch.randn(count, generator=torch.Generator().manual_seed(mixed(seed, step)))


@dataclass(frozen=True)
class RunConfig:
    """One training: method, learning rate, and how large the quantization intervals are.

    ``step_init``: initial LSQ step, or initial interval of AOQ (both intervals); ``None`` takes the method's own rule
    (LSQ: ``2 mean|w| / sqrt(Q_P)``; AOQ: ``sigma / 2^(b-2)``). ``schedule`` matters to AOQ only. ``coupled`` is AOQ
    with one interval: thresholds are at ``alpha s_le``, all gradients unchanged (see :class:`aoqlab.AOQ`).
    """

    method: Method
    lr: float = 1e-3
    step_init: float | None = None
    schedule: ThreeStage = field(default_factory=ThreeStage)
    coupled: bool = False

    def __post_init__(self) -> None:
        if self.method not in ("lsq", "aoq"):
            raise ValueError(f"method must be 'lsq' or 'aoq', got {self.method!r}")
        check_number("lr", self.lr, "(0, inf)")
        if self.step_init is not None:
            check_number("step_init", self.step_init, "(0, inf)")
        if self.coupled and self.method != "aoq":
            raise ValueError(f"coupled=True is a variant of method 'aoq', got method {self.method!r}")

    @property
    def perturbation(self) -> float:
        """Noise on the weights in the shrink stage, in threshold intervals; LSQ has none."""
        return self.schedule.perturbation if self.method == "aoq" else 0.0

    def initial_step(self, start: Tensor, bits: int) -> float:
        if self.step_init is not None:
            return self.step_init
        if self.method == "lsq":
            return 2 * float(start.abs().mean()) / math.sqrt(2 ** (bits - 1) - 1)
        return float(start.std()) / 2 ** (bits - 2)

    def describe(self) -> dict[str, Any]:
        """Columns of a result table; the schedule's are NaN for LSQ, which is not ``coupled`` AOQ either."""
        staged = self.method == "aoq"
        schedule = {name: value if staged else math.nan for name, value in asdict(self.schedule).items()}
        return {"method": self.method, "lr": self.lr, "step_init": self.step_init, "coupled": self.coupled, **schedule}
