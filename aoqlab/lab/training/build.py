"""What a training run is built of: images, networks, the full-precision start, the folder."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...surgery import quantize
from .. import datasets, methods, models
from ..datasets import Dataset
from ..methods import Method
from ..shared.limits import check_memory, memory
from ..shared.provenance import provenance
from .config import TrainConfig
from .devices import Place
from .folder import RunExistsError, RunFolder

SAMPLE = 256
"""Images of the batch that chooses and initialises the activation quantizers."""


def load_data(config: TrainConfig, place: Place) -> Dataset:
    """Return the images that ``config`` names, on the device of ``place``."""
    if not place.is_main:  # the main process decodes and keeps the pixels, the others read them
        place.wait()
    data = datasets.load(
        config.data, root=config.root, image_size=config.image_size, download=config.download, device=place.device
    )
    if place.is_main:
        place.wait()
    return data


def absolute(config: TrainConfig) -> TrainConfig:
    """Files and folders by their whole path, so that the run can be resumed from any working directory."""
    given = {name: getattr(config, name) for name in ("root", "checkpoint", "teacher_checkpoint")}
    given["data"] = datasets.folder_of(config.data, config.root)
    whole: dict[str, Any] = {name: str(Path(path).resolve()) for name, path in given.items() if path}
    return dataclasses.replace(config, **whole)


def start_on(config: TrainConfig, data: Dataset) -> TrainConfig:
    """Return the start, told apart from those on other images by its name."""
    start = config.start()
    return dataclasses.replace(start, name=f"{start.name}-{data.fingerprint[:8]}")


def teacher_of(config: TrainConfig) -> TrainConfig:
    """Return the settings of a teacher that is another network."""
    cifar = config.teacher in models.CIFAR_RESNETS
    return dataclasses.replace(
        config,
        arch=config.teacher,
        checkpoint=config.teacher_checkpoint,
        teacher="start",
        teacher_checkpoint=None,
        shortcut=config.shortcut if cifar else "B",
        pretrained=config.pretrained and not cifar and not config.teacher_checkpoint,
        new_head=False,
    )


def create(config: TrainConfig, data: Dataset) -> nn.Module:
    """Return the network with random weights of the seed, or with weights of the file or download that is named."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return models.create(
            config.arch,
            num_classes=data.num_classes,
            in_chans=data.in_chans,
            image_size=data.image_size,
            shortcut=config.shortcut,
            pretrained=config.pretrained,
            checkpoint=config.checkpoint,
            new_head=config.new_head,
        )


def quantized(start: nn.Module, config: TrainConfig, method: Method, data: Dataset) -> nn.Module:
    """Return a copy of the start with quantizers, initialised from its weights and from unaugmented images."""
    model = copy.deepcopy(start).train()
    weights = None if method.weights is None else method.weights(config.bits)
    bits = config.activation_bits or config.bits
    activations = None if method.activations is None or bits == 32 else method.activations(bits)
    if weights is not None or activations is not None:
        count = min(SAMPLE, len(data.train)) if activations is not None else 1
        quantize(
            model,
            weights=weights,
            activations=activations,
            sample=data.train.sample(count, config.seed),
            skip=config.skip,
            quantize_downsampling=config.quantize_downsampling,
        )
    return model


def check(config: TrainConfig, data: Dataset, start: nn.Module | None, place: Place) -> None:
    """Refuse what cannot be built or trained before anything is computed or written."""
    assert config.batch_size
    method = methods.get(config.method, **config.method_options)
    data.train.steps(config.batch_size)
    if method.freezing is not None and config.track_every > 1:
        raise ValueError(f"{method.name} freezes by what the tracker sees at every step: track_every must be 1")
    network = start if start is not None else create(config, data)
    _check_memory(config, data, network, place)
    quantized(network, config, dataclasses.replace(method, activations=None), data)
    if config.teacher not in ("start", "none") and not config.full_precision:
        create(teacher_of(config), data)


def _check_memory(config: TrainConfig, data: Dataset, network: nn.Module, place: Place) -> None:
    """Refuse a batch that no training step can take, or whose layers' outputs alone do not fit into the memory.

    The step is taken without numbers; networks that cannot do that are not checked.
    """
    assert config.batch_size
    batch, elements = max(1, config.batch_size // place.world), 0

    def add(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal elements
        elements += output.numel()

    twin = copy.deepcopy(network).to("meta").train()
    for layer in twin.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    side = config.image_size or data.image_size
    try:
        with torch.no_grad():
            twin(torch.empty(batch, data.in_chans, side, side, device="meta"))
    except Exception as error:
        if "more than 1 value per channel" in str(error):
            raise ValueError(f"batch_size must be at least 2 for batch norm, got {batch} per process") from None
        return
    there = torch.cuda.mem_get_info(place.device)[1] if place.device.type == "cuda" else memory()
    what = f"a training step of batch_size={batch} images of {side}x{side} pixels"
    check_memory(what, elements * (4 if place.precision == "no" else 2), there)


def new_folder(config: TrainConfig, data: Dataset, place: Place) -> RunFolder:
    """Return the run's folder, which the main process makes and holds."""

    def record(name: str) -> dict[str, Any]:
        return {
            "settings": dataclasses.replace(config, name=name).to_dict(),
            "method": methods.get(config.method, **config.method_options).describe(),
            "digest": config.digest(),
            "threads": torch.get_num_threads(),
            "images": data.fingerprint,
            "processes": place.world,
            "device": str(place.device),
            "gpu": torch.cuda.get_device_name() if place.device.type == "cuda" else None,
            "mixed_precision": place.precision,
            **provenance(),
        }

    folder = taken = None
    if place.is_main:
        try:
            folder = RunFolder.create(config.name, config.default_name(), record)
        except RunExistsError as error:
            taken = error
    path, taken = place.from_main((folder.path if folder else None, taken))
    if taken is not None:
        raise taken
    assert path is not None
    return folder or RunFolder(path)
