"""What a training run is: one frozen, validated object that fits into a JSON file."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ...arguments import MAX_BITS, MIN_BITS, MOST, check_bits, check_count, check_flag, check_number
from ..shared.limits import SEED

Automatic = Literal["auto", "yes", "no"]
Precision = Literal["auto", "no", "bf16", "fp16"]
Shortcut = Literal["A", "B"]
FULL_PRECISION = "fp32"
WHOLE = {
    **dict.fromkeys(("epochs", "start_epochs", "batch_size", "track_every", "record_every", "eval_every"), (1, MOST)),
    "seed": (0, SEED),
    "threads": (1, 1024),
    "image_size": (1, 4096),
}
"""Whole numbers with their least and largest value."""
NUMBERS = {
    **dict.fromkeys(("lr", "start_lr"), "(0, inf)"),
    "weight_decay": "[0, inf)",
    "hard_labels": "[0, 1]",
    "label_smoothing": "[0, 1)",
}
SWITCHES = ("quantize_downsampling", "download", "new_head", "pretrained", "tensorboard")
OPTIONAL = ("root", "teacher_checkpoint", "checkpoint", "name")
TEXTS = ("arch", "method", "data", "teacher", "device", *OPTIONAL)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one run. What is ``None`` is filled in from the recipe of the data set (:func:`recipe`).

    Raises ``ValueError`` where a value is out of range; names of models, methods and data are checked when they are
    used. :meth:`from_dict` reads what :meth:`to_dict` wrote.
    """

    arch: str = "resnet20"
    """A CIFAR ResNet (resnet20, 32, 44, 56, 110), digits_cnn, or any classifier of timm."""
    bits: int = 2
    """Bits of the weights, 2 to 8."""
    quantize_downsampling: bool = True
    """Whether the 1x1 convolutions on the shortcuts of ResNets are quantized too."""
    method: str = "aoq"
    """fp32, lsq, aoq, ..., see `bash run.sh --help`."""
    method_options: dict[str, float | int | bool | str | None] = field(default_factory=dict)
    """Options of the method, such as shrink_min, dampening, lambda_."""
    activation_bits: int | None = None
    """Bits of the activations; None: as the weights; 32: not quantized."""
    skip: tuple[str, ...] = ()
    """Patterns of layer names to leave in full precision, such as 'layer3.*'."""

    data: str = "digits"
    """digits, cifar10, cifar100, or a folder of images."""
    root: str | None = None
    """Where named data sets are; None: the environment variable AOQLAB_DATA, otherwise data/."""
    image_size: int | None = None
    """Side of the images in pixels; None: not resized."""
    download: bool = False
    """Whether a missing data set may be downloaded."""

    epochs: int | None = None
    """Passes over the training images."""
    batch_size: int | None = None
    """Images per step, over all processes together."""
    lr: float | None = None
    """Learning rate of Adam at the start; it falls to 0 along a straight line."""
    weight_decay: float = 0.0
    """Of everything but the quantizers."""
    teacher: str = "start"
    """Who is distilled from: start (the full-precision start itself), none, or a model name with its own start."""
    teacher_checkpoint: str | None = None
    """File with the weights of a teacher that is a model name; None: trained (or downloaded with pretrained)."""
    hard_labels: float = 0.0
    """Weight of the cross-entropy with the labels against that with the teacher, in [0, 1]; 1 without a teacher."""
    label_smoothing: float = 0.0
    """Share of the labels that is spread over all classes, in [0, 1)."""

    shortcut: Shortcut = "B"
    """Shortcuts of the CIFAR ResNets: A (padding, no parameters) or B (1x1 convolution)."""
    checkpoint: str | None = None
    """File with the full-precision weights to start from; None: train them."""
    new_head: bool = False
    """Whether the last layer of the checkpoint is left out, for data with other classes."""
    pretrained: bool = False
    """Start from the weights that timm downloads."""
    start_epochs: int | None = None
    """Epochs of the full-precision training that the run starts from."""
    start_lr: float | None = None
    """Learning rate of that training."""

    seed: int = 0
    """Of the start, the order of the images, their augmentation, and everything else that is random."""
    name: str | None = None
    """Folder of the run under data/runs/; None: made from the settings."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, ..."""
    mixed_precision: Precision = "auto"
    """auto: bf16 on a GPU that has it, otherwise none."""
    compile: Automatic = "auto"
    """torch.compile; auto: on a GPU."""
    threads: int | None = None
    """CPU threads; None: as Torch chooses. Runs are the same bit for bit only with the same number."""
    track_every: int = 1
    """Steps between two looks of the tracker at the codes; 1 sees every crossing (lsq+freeze needs 1)."""
    record_every: int | None = None
    """Steps between two records of the tracker's history; None: 100 records in a run."""
    eval_every: int = 1
    """Epochs between two evaluations on the test images."""
    tensorboard: bool = False
    """Write TensorBoard events into the run's folder."""

    def __post_init__(self) -> None:
        check_bits(self.bits)
        if self.activation_bits not in (None, 32):
            check_count("activation_bits", self.activation_bits, MIN_BITS, MAX_BITS)
        for name, (least, most) in WHOLE.items():
            if (value := getattr(self, name)) is not None or name in ("track_every", "eval_every", "seed"):
                object.__setattr__(self, name, check_count(name, value, least, most))
        for name, interval in NUMBERS.items():
            if (number := getattr(self, name)) is not None or name not in ("lr", "start_lr"):
                check_number(name, number, interval)
        for name in SWITCHES:
            check_flag(name, getattr(self, name))
        for name in TEXTS:
            text = str(value) if isinstance(value := getattr(self, name), Path) else value
            if (text is not None or name not in OPTIONAL) and (not isinstance(text, str) or not text or "\0" in text):
                raise ValueError(f"{name} must be a text, not empty and without NUL, got {text!r}")
            object.__setattr__(self, name, text)
        patterns: Any = self.skip
        if isinstance(patterns, str) or not all(isinstance(pattern, str) and pattern for pattern in patterns):
            raise ValueError(f"skip must be a sequence of patterns of layer names, got {self.skip!r}")
        for name, allowed in (("compile", Automatic), ("mixed_precision", Precision), ("shortcut", Shortcut)):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(f"{name} must be one of {', '.join(get_args(allowed))}, got {getattr(self, name)!r}")
        if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", self.device):
            raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {self.device!r}")
        if self.checkpoint and self.pretrained:
            raise ValueError("checkpoint and pretrained both say where to start from; give one of them")
        if self.teacher_checkpoint and self.teacher in ("start", "none"):
            raise ValueError(f"teacher_checkpoint needs the name of a network as teacher, got {self.teacher!r}")
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,120}", self.name):
            raise ValueError(f"name must be letters, digits and . _ + = - (a folder is named so), got {self.name!r}")
        object.__setattr__(self, "skip", tuple(self.skip))

    @property
    def full_precision(self) -> bool:
        return self.method == FULL_PRECISION

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: lists for tuples."""
        return {**dataclasses.asdict(self), "skip": list(self.skip)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """Refuse a name that is no setting with ``ValueError``."""
        known = [f.name for f in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3)
                raise ValueError(f"unknown setting {name!r}" + (f"; near: {', '.join(near)}" if near else ""))
        return cls(**{**values, "skip": tuple(values.get("skip", ()))})

    def resolved(self, data_name: str, images: int, side: int) -> TrainConfig:
        """With every ``None`` that the recipe for this many training images of this side fills in."""
        defaults = recipe(data_name, images, side)
        given = {name: getattr(self, name) for name in defaults}
        chosen = {name: value if given[name] is None else given[name] for name, value in defaults.items()}
        if self.full_precision:  # it is a start itself
            chosen["start_epochs"] = chosen["start_lr"] = None
            for name, start in (("epochs", "start_epochs"), ("lr", "start_lr")):
                if given[name] is None:
                    chosen[name] = defaults[start]
        return dataclasses.replace(self, **chosen)

    def start(self) -> TrainConfig:
        """Return the full-precision run that this (resolved) one starts from; equal settings share one by its name."""
        plain = {name: getattr(_DEFAULTS, name) for name in _NOT_OF_A_START}
        plain |= {"method": FULL_PRECISION, "teacher": "none", "epochs": self.start_epochs, "lr": self.start_lr}
        start = dataclasses.replace(self, **plain)
        return dataclasses.replace(
            start, name=f"start-{_plain(f'{start.arch}-{Path(start.data).name}')}-{start.digest()}"
        )

    def digest(self) -> str:
        """Twelve characters that differ where the course of training differs; the name does not count.

        Made from the settings that are not at their defaults, so that a setting added later changes no digest.
        """
        usual = _DEFAULTS.to_dict()
        course = {k: v for k, v in self.to_dict().items() if k not in _NOT_OF_THE_COURSE and v != usual[k]}
        return hashlib.sha256(json.dumps(course, sort_keys=True).encode()).hexdigest()[:12]

    def default_name(self) -> str:
        """Return what the folder is called when no name is given."""
        size = "" if self.full_precision else f"-{self.bits}bit"
        where = "" if self.quantize_downsampling else "-downsampling-fp"
        what = _plain(f"{self.arch}-{Path(self.data).name}")
        return f"{what}-{self.method}{size}{where}-seed{self.seed}"


def _plain(text: str) -> str:
    """Return what a folder may be called: other characters become dashes."""
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", text)[:60]


_DEFAULTS = TrainConfig()
_NOT_OF_A_START = (
    *("bits", "quantize_downsampling", "method_options", "activation_bits", "skip", "hard_labels", "track_every"),
    "teacher_checkpoint",
    *("record_every", "eval_every", "tensorboard", "start_epochs", "start_lr"),
)
_NOT_OF_THE_COURSE = {"name", "device", "download", "tensorboard", "eval_every"}


def recipe(data_name: str, images: int, side: int) -> dict[str, Any]:
    """Return the paper's recipe scaled to the data: epochs, batch size, learning rates.

    CIFAR (50,000 images): 250 epochs, batch 256, Adam 1e-3 falling to 0, as published. Large images: 300 epochs, batch
    256, 1.25e-3, the published ImageNet recipe. Small sets of small images get smaller batches, so that an epoch has at
    least 16 steps. Source: Xie et al., ICCV 2025, and its published code; the recipe of the full-precision start is
    ours, since the published code is given its weights.
    """
    if data_name == "digits":
        return {"epochs": 40, "batch_size": 64, "lr": 1e-3, "start_epochs": 20, "start_lr": 3e-3}
    if side > 64:
        return {"epochs": 300, "batch_size": 256, "lr": 1.25e-3, "start_epochs": 100, "start_lr": 1.25e-3}
    batch = max(2, min(256, 2 ** int(math.log2(max(2, images // 16)))))
    return {"epochs": 250, "batch_size": batch, "lr": 1e-3, "start_epochs": 100, "start_lr": 1e-3}
