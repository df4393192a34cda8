"""Networks by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from torch import nn

from ..shared import paths
from . import timm_models
from .checkpoints import State, load_weights, read_weights
from .cifar_resnet import DEPTHS, CifarResNet, Shortcut
from .digits_cnn import DigitsNet

CIFAR_RESNETS = {f"resnet{depth}": depth for depth in DEPTHS}
DIGITS = "digits_cnn"


def names() -> list[str]:
    """Every name ``create`` takes: the CIFAR ResNets, the digits network, then timm's architectures."""
    import timm  # takes seconds

    return [*CIFAR_RESNETS, DIGITS, *(name for name in timm.list_models() if name not in CIFAR_RESNETS)]


def create(
    name: str,
    *,
    num_classes: int = 10,
    in_chans: int = 3,
    image_size: int = 32,
    shortcut: Shortcut = "B",
    pretrained: bool = False,
    checkpoint: str | Path | None = None,
    new_head: bool = False,
) -> nn.Module:
    """Build the network of that name, in training mode on the CPU.

    Its weights are random (of torch's global generator: ``torch.manual_seed`` repeats them), published ones
    (``pretrained``), or of a file (``checkpoint``); with ``new_head`` the file's last layer is not used, for other
    classes than it was trained on. ``shortcut`` is the option of the CIFAR ResNets: "B" 1x1 convolutions, "A" none.
    Raises ``ValueError`` for what cannot be, ``FileNotFoundError`` for a missing file, ``ConnectionError`` if
    published weights cannot be had.
    """
    for argument, value, least in (
        ("num_classes", num_classes, 2),
        ("in_chans", in_chans, 1),
        ("image_size", image_size, 1),
    ):
        if value < least:
            raise ValueError(f"{argument} must be at least {least}, got {value}")
    if shortcut != "B" and name not in CIFAR_RESNETS:
        raise ValueError(f"shortcut={shortcut!r} is for {', '.join(CIFAR_RESNETS)} alone, got {name}; leave it out")
    if pretrained and checkpoint is not None:
        raise ValueError("weights can come from one place: give pretrained or checkpoint, not both")
    if new_head and checkpoint is None:
        raise ValueError("new_head replaces the last layer of a checkpoint, and none was given")
    if name in CIFAR_RESNETS and pretrained:
        raise ValueError(f"no weights of {name} are published by timm or torchvision; give a file: --checkpoint FILE")

    own = name == DIGITS or name in CIFAR_RESNETS
    if not own and not timm_models.exists(name):
        raise ValueError(f"no network is called {name!r}; {_near(name)}")
    if name == DIGITS and pretrained:
        checkpoint = paths.data_dir() / f"{DIGITS}.safetensors"
        if not checkpoint.is_file():
            raise FileNotFoundError(f"{checkpoint} is missing; make it with: bash run.sh digits")
    state, file = (None, "") if checkpoint is None else (read_weights(checkpoint), checkpoint)
    if not own:
        sizes = timm_models.Sizes(num_classes, in_chans, image_size)
        net = timm_models.build(name, sizes, pretrained=pretrained)
        return net if state is None else timm_models.load(net, state, file, name, sizes, new_head=new_head)
    if name == DIGITS:
        net, head = DigitsNet(num_classes, in_chans), "head"
    else:
        net, head = CifarResNet(CIFAR_RESNETS[name], num_classes, in_chans, shortcut), "linear"
        if state is not None:
            _check_shortcut(state, shortcut, file)
    if state is not None:
        load_weights(net, state, file, [head], new_head=new_head)
    return net


def _check_shortcut(state: State, shortcut: Shortcut, file: str | Path) -> None:
    """Only option B has weights in its shortcuts; anything but a CIFAR ResNet is left to the comparison of names."""
    if not any(name.startswith("layer1.0.conv1.") for name in state):
        return
    found: Shortcut = "B" if any(".shortcut." in name for name in state) else "A"
    if found != shortcut:
        raise ValueError(
            f"checkpoint {file} has shortcuts of option {found}, the network has {shortcut}; use shortcut={found!r}"
        )


def _near(name: str) -> str:
    """Which names a mistyped one may have meant."""
    known = names()
    plain = {"".join(filter(str.isalnum, k.lower())): k for k in reversed(known)}
    typed = "".join(filter(str.isalnum, name.lower()))
    longer = [k for p, k in plain.items() if typed and p.startswith(typed)]
    close = [plain[p] for p in difflib.get_close_matches(typed, plain, n=5)]
    near = list(dict.fromkeys([*sorted(longer, key=len)[:3], *close]))[:5]
    return f"did you mean {', '.join(near)}?" if near else "see aoqlab.lab.models.names()"
