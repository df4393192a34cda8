"""The training loop: one class that owns a model while it learns, and can stop and resume at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...losses import soft_cross_entropy
from ...quantizers import Freezes
from ...schedule import StageState
from ...ste import encode_flat
from ...surgery import activation_quantizers, weight_sites
from ...tracker import OscillationTracker
from ..methods import Method
from ..shared.seeds import step_seed
from . import checkpoint as checkpoints
from .config import TrainConfig
from .devices import Place, channels_last, compiled_or_eager
from .distributed import SyncedBatchNorm, average_gradients, total
from .evaluate import evaluate
from .intervals import IntervalRecorder

if TYPE_CHECKING:
    from ..datasets import Dataset

# How often a loss that is not finite is looked for where looking makes the device wait.
CHECK_EVERY = 50


class DivergedError(FloatingPointError):
    """The loss is no longer finite."""


class Stopped(KeyboardInterrupt):
    """Training was interrupted and its state was kept."""


class Trainer:
    """Trains ``model`` (quantized already, or not at all) by ``config`` and ``method``.

    :meth:`epochs` trains epoch after epoch and yields the row of metrics of each; :meth:`capture` and :meth:`restore`
    take and set everything the rest of the course depends on, at any step. Every random choice is a function of the
    seed and the step, so a resumed run continues as if it had never stopped.
    """

    def __init__(
        self,
        config: TrainConfig,
        method: Method,
        model: nn.Module,
        teacher: nn.Module | None,
        data: Dataset,
        place: Place,
    ) -> None:
        assert config.epochs and config.batch_size and config.lr, "the configuration is resolved first"
        self.config, self.method, self.data, self.place = config, method, data, place
        self.world, self.rank, self.context = place.world, place.rank, place.autocast
        self.advance: Callable[[int], object] = lambda steps: None
        """Called with 1 after every step."""
        self.device = place.device
        self.model = channels_last(model.to(self.device))
        self.teacher = None if teacher is None else channels_last(teacher.to(self.device)).eval()
        self.steps_per_epoch = data.train.steps(config.batch_size)
        self.total_steps = config.epochs * self.steps_per_epoch
        # Refuses odd shares.
        data.train.batches(0, seed=0, batch_size=config.batch_size, rank=self.rank, world=self.world)

        sites = weight_sites(self.model)
        self.latents = {name: site.latent for name, site in sites.items()}
        self.quantizers = {name: site.quantizer for name, site in sites.items()}
        self.freezing = {name: q for name, q in self.quantizers.items() if isinstance(q, Freezes)}
        if method.freezing is not None and len(self.freezing) < len(sites):
            kinds = ", ".join(sorted({type(q).__name__ for q in self.quantizers.values()}))
            raise ValueError(f"method {method.name!r} freezes weights; its quantizers must be Freezing, got {kinds}")
        grids = {q.grid for q in self.quantizers.values()}
        # With one grid for all, codes differ by a step per layer or channel alone.
        self.common_grid = grids.pop() if len(grids) == 1 else None
        self.tracker: OscillationTracker | None = None
        if sites:
            record = config.record_every or max(1, self.total_steps // 100)
            self.tracker = OscillationTracker(
                {name: latent.shape for name, latent in self.latents.items()},
                config.bits,
                record_every=max(1, record // config.track_every),
                count_configurations=False,
            ).to(self.device)
        self.intervals = IntervalRecorder(self.quantizers)
        self.optimizer = self._make_optimizer()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=place.precision == "fp16")
        self.names: dict[Tensor, str] = {parameter: name for name, parameter in self.model.named_parameters()}
        on_gpu = self.device.type == "cuda"
        compiled = config.compile == "yes" or (config.compile == "auto" and on_gpu)
        self.forward: Callable[[Tensor], Tensor] = compiled_or_eager(self.model) if compiled else self.model
        self.ask_teacher: Callable[[Tensor], Tensor] | None = self.teacher
        if compiled and self.teacher is not None:
            self.ask_teacher = compiled_or_eager(self.teacher)
        self.check_every = CHECK_EVERY if on_gpu else 1
        if on_gpu:
            torch.backends.cudnn.benchmark = True  # all batches have one shape

        self.step = 0
        self.metrics: list[dict[str, Any]] = []
        self.timing: list[dict[str, Any]] = []
        self.sums = torch.zeros(4, dtype=torch.float64, device=self.device)  # loss, right, images, regulariser
        self.stage: StageState | None = None

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """Return Adam with a group for each kind of parameter with the method's factor on the learning rate."""
        quantizers = {"weight_quantizers": self.quantizers, "activation_quantizers": activation_quantizers(self.model)}
        owner = {p: kind for kind, found in quantizers.items() for q in found.values() for p in q.parameters()}
        groups = []
        for kind, factor in self.method.lr_scale.items():
            parameters = [p for p in self.model.parameters() if owner.get(p, "weights") == kind]
            decay = self.config.weight_decay if kind == "weights" else 0.0
            if parameters:
                groups.append({"params": parameters, "factor": factor, "weight_decay": decay})
        assert self.config.lr
        return torch.optim.Adam(groups, lr=self.config.lr, fused=self.device.type in ("cpu", "cuda"))

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 0."""
        return self.step // self.steps_per_epoch

    def epochs(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[dict[str, Any]]:
        """Train to the end and yield the metrics of each epoch. Raises ``Stopped`` once ``interrupted()`` is true."""
        while self.step < self.total_steps:
            started = time.perf_counter()
            self.model.train()
            epoch, first = self.epoch, self.step % self.steps_per_epoch
            batches = self.data.train.batches(
                epoch,
                seed=self.config.seed,
                batch_size=self.config.batch_size or 1,
                rank=self.rank,
                world=self.world,
                start=first,
            )
            for images, labels in batches:
                self._one_step(images, labels)
                self.advance(1)
                # Several processes stop at the same step, or those that continue would wait for the others for ever.
                looks = self.world == 1 or self.step % self.check_every == 0
                if looks and self.step % self.steps_per_epoch and self._anywhere(interrupted()):
                    self.sums.copy_(total(self.sums.clone(), self.world))
                    raise Stopped
            yield self._close_epoch(epoch, time.perf_counter() - started, self.steps_per_epoch - first)
            if self._anywhere(interrupted()):
                raise Stopped

    def _anywhere(self, flag: bool) -> bool:
        """Return whether the flag is up in any process."""
        if self.world == 1:
            return flag
        return total(torch.tensor([float(flag)], device=self.device), self.world).item() > 0

    def _enter(self, progress: float) -> None:
        """Take over the schedule's state at this moment, and count the codes that it makes of the weights."""
        if self.method.schedule is not None:
            state = self.method.schedule(progress)
            if state != self.stage:
                for quantizer in self.quantizers.values():
                    quantizer.set_stage(state)
                self.stage = state
        if self.tracker is None:
            return
        if self.step % self.config.track_every == 0 or self.step == self.total_steps:
            self._track(self.tracker, progress)
        if self.step and self.step % self.steps_per_epoch == 0:
            self.tracker.close_period()  # what the last step of an epoch moved is seen here alone

    @torch.no_grad()
    def _track(self, tracker: OscillationTracker, progress: float) -> None:
        if self.common_grid is not None:  # all layers in one go
            steps = [q.step_for(self.latents[name]) for name, q in self.quantizers.items()]
            tracker.update_flat(encode_flat(list(self.latents.values()), cast(list[Tensor], steps), self.common_grid))
            return
        codes = {name: q.encode(self.latents[name]) for name, q in self.quantizers.items()}
        tracker.update(codes)
        if self.method.freezing is not None:
            above = self.method.freezing(progress)
            frequency = tracker.frequency
            for name, quantizer in self.freezing.items():
                quantizer.track(codes[name])
                quantizer.freeze(frequency[name], above)

    def _one_step(self, images: Tensor, labels: Tensor) -> None:
        config, progress = self.config, self.step / self.total_steps
        seed = step_seed(config.seed, self.step, self.rank)  # for dropout and the like
        if self.device.type == "cpu":  # torch.manual_seed takes longer than the kernels of a small step
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        self._enter(progress)
        assert config.lr
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * group["factor"] * (1 - progress)
        synced = SyncedBatchNorm() if self.world > 1 else nullcontext()
        with self.context(), synced:
            logits = self.forward(images)
        loss = self._task_loss(images, logits.float(), labels)
        penalty = None
        if self.method.regulariser is not None:
            penalty = self.method.regulariser(
                list(self.latents.values()), list(self.quantizers.values()), progress, self.stage
            )
        whole = loss if penalty is None else loss + penalty
        # With a loss scaler an overflow is no end: it skips the step and lowers the scale.
        if self.step % self.check_every == 0 and not self.scaler.is_enabled():
            value = whole.item()
            if self._anywhere(not math.isfinite(value)):
                self._diverged(value)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(whole).backward()
        average_gradients(self.model.parameters(), self.world)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.stage is not None and self.stage.perturbation:
            self._perturb(self.stage.perturbation)
        self.step += 1
        self.intervals.record()
        with torch.no_grad():
            self.sums[0] += loss.detach() * len(labels)
            self.sums[1] += (logits.argmax(1) == labels).sum()
            self.sums[2] += len(labels)
            if penalty is not None:
                self.sums[3] += penalty.detach() * len(labels)

    @torch.no_grad()
    def _perturb(self, spread: float) -> None:
        """Add noise of ``spread`` threshold intervals to the weights: the same in every process, and after a resume."""
        generator = torch.Generator(self.device)
        for place, (name, latent) in enumerate(self.latents.items()):
            # A number more than the seed of a step has, so that dropout draws from another sequence.
            generator.manual_seed(step_seed(self.config.seed, self.step, place, 0))
            noise = torch.randn(latent.shape, generator=generator, device=latent.device, dtype=latent.dtype)
            step = self.quantizers[name].unwrapped.threshold_step
            if step is None:
                raise TypeError(f"perturbation is in units of the threshold step, which layer {name!r} does not have")
            interval = step.reshape(-1, *[1] * (latent.ndim - 1))
            latent.add_(noise * interval, alpha=spread)

    def _task_loss(self, images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Return ``h * cross-entropy(labels) + (1 - h) * soft cross-entropy(teacher)``; h = 1 without a teacher."""
        share = self.config.hard_labels if self.ask_teacher is not None else 1.0
        smoothing = self.config.label_smoothing
        if self.ask_teacher is None or share == 1:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        with torch.no_grad(), self.context():
            target = self.ask_teacher(images).float()
        soft = soft_cross_entropy(logits, target)
        if share == 0:
            return soft
        return share * F.cross_entropy(logits, labels, label_smoothing=smoothing) + (1 - share) * soft

    def _diverged(self, value: float) -> None:
        raise DivergedError(
            f"the loss is {value}: training diverged at step {self.step} (epoch {self.epoch + 1}, seed "
            f"{self.config.seed}); lower the learning rate (now {self.config.lr:g})"
        )

    def _close_epoch(self, epoch: int, seconds: float, steps: int) -> dict[str, Any]:
        """Evaluate, and make the row of metrics of an epoch that is complete."""
        if self.step == self.total_steps:
            self._enter(1.0)
        loss, right, count, penalty = total(self.sums.clone(), self.world).tolist()
        weights = torch.stack(torch._foreach_norm(list(self.model.parameters()))).sum().item()
        if not math.isfinite(loss) or not math.isfinite(weights):  # nothing that is broken becomes a checkpoint
            self._diverged(loss / count)
        self.sums.zero_()
        row: dict[str, Any] = {
            "epoch": epoch + 1,
            "step": self.step,
            "train_loss": loss / count,
            "train_accuracy": right / count,
            "regulariser": penalty / count,
            "test_loss": None,
            "test_accuracy": None,
        }
        if (epoch + 1) % self.config.eval_every == 0 or self.step == self.total_steps:
            row["test_loss"], row["test_accuracy"] = self.evaluate()
        row["lr"] = float(self.optimizer.param_groups[0]["lr"])
        if self.stage is not None:
            row |= {"stage": self.stage.stage, "shrink": self.stage.shrink, "dampening": self.stage.dampening}
        if self.tracker is not None:
            summary = self.tracker.summary()
            row |= {name: summary[name] for name in _TRACKED}
            before = self.metrics[-1]["crossings"] if self.metrics else 0.0
            row["crossings_per_step_in_epoch"] = (
                (summary["crossings"] - before) / summary["weights"] / self.steps_per_epoch
            )
        self.intervals.close_epoch(epoch + 1)
        self.metrics.append(row)
        images = steps * (self.config.batch_size or 0)
        self.timing.append({"epoch": epoch + 1, "seconds": seconds, "images_per_second": images / max(seconds, 1e-9)})
        return row

    def evaluate(self, model: nn.Module | None = None) -> tuple[float, float]:
        """Return loss and accuracy on the test images, of the current model or of another one."""
        size = 2048 if self.device.type == "cuda" else 256
        batches = self.data.test.batches(-(-size // self.world) * self.world, rank=self.rank, world=self.world)
        network = self.model if model is None else model
        return evaluate(network, batches, device=self.device, world=self.world, context=self.context)

    def capture(self) -> checkpoints.Checkpoint:
        """Return everything that the rest of the training depends on."""
        tensors = checkpoints.flatten("model", self.model.state_dict())
        tensors |= checkpoints.optimizer_state(self.optimizer, self.names)
        tensors["sums"], tensors["intervals"] = self.sums, self.intervals.state()
        if self.tracker is not None:
            tensors |= checkpoints.flatten("tracker", self.tracker.state_dict())
        meta = {
            "digest": self.config.digest(),
            "metrics": self.metrics,
            "timing": self.timing,
            "interval_rows": self.intervals.rows,
            "scaler": self.scaler.state_dict(),
        }
        return checkpoints.Checkpoint(self.step, tensors, meta)

    def restore(self, saved: checkpoints.Checkpoint) -> None:
        """Undo :meth:`capture`."""
        self.step = saved.step
        # The stage says which parameters learn, and so which of them have moments.
        if self.method.schedule is not None and self.step:
            entered = self.total_steps if self.step == self.total_steps else self.step - 1
            self.stage = self.method.schedule(entered / self.total_steps)
            for quantizer in self.quantizers.values():
                quantizer.set_stage(self.stage)
        self.model.load_state_dict(checkpoints.part("model", saved.tensors))
        channels_last(self.model)  # buffers that get their shape from the file come in another layout
        checkpoints.restore_optimizer(self.optimizer, self.names, saved.tensors)
        if self.tracker is not None:
            self.tracker.load_state_dict(checkpoints.part("tracker", saved.tensors))
        if saved.meta["scaler"]:
            self.scaler.load_state_dict(saved.meta["scaler"])
        self.sums.copy_(saved.tensors["sums"])
        if self.rank:
            self.sums.zero_()  # they are sums of all processes together
        self.intervals.restore(saved.tensors["intervals"], saved.meta["interval_rows"])
        self.metrics, self.timing = list(saved.meta["metrics"]), list(saved.meta["timing"])


_TRACKED = (
    *("crossings", "crossings_per_step", "oscillations_per_step", "oscillating_share", "changed_share"),
    *("hamming_share", "levels_visited", "explored_volume"),
)
