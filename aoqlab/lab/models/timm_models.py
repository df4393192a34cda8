"""Classifiers of timm: built for small images too, with weights that are downloaded or from a file."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .checkpoints import misfit, prepared

MISUSE = (AssertionError, KeyError, RuntimeError, TypeError, ValueError)
PROBE_SECONDS = 5
"""How long a server may take to answer; the download library alone would retry for most of a minute."""


class Sizes(NamedTuple):
    """What a network takes and gives."""

    num_classes: int
    in_chans: int
    image_size: int

    def __str__(self) -> str:
        return f"{self.image_size}x{self.image_size} images of {self.in_chans} channels in {self.num_classes} classes"


def exists(name: str) -> bool:
    """Whether timm has the architecture; a tag after a dot ("resnet18.tv_in1k") says which weights."""
    from timm.models import is_model

    return not set(name) & set(":/\\") and bool(is_model(name.partition(".")[0]))


def build(name: str, sizes: Sizes, *, pretrained: bool) -> nn.Module:
    """Build a timm classifier for square images of ``image_size`` pixels.

    Transformers are built for that size; convolutional networks take any size, so they are only tried at it. With
    ``pretrained``, timm downloads weights (or finds them in its cache) and fits them to ``num_classes``, ``in_chans``
    and ``image_size``. Raises ``ValueError`` if the architecture cannot do that, ``ConnectionError`` without network.
    """
    _check_tag(name)
    if pretrained:
        return _tried(_downloaded(name, sizes), name, sizes)
    try:
        net = _create(name, sizes)
    except Exception as error:  # each architecture has its own way to fail
        raise ValueError(f"{name} cannot be built for {sizes}: {_line(error)}") from error
    return _tried(net, name, sizes)


def load(
    net: nn.Module, state: Mapping[str, Tensor], file: str | Path, name: str, sizes: Sizes, *, new_head: bool
) -> nn.Module:
    """``net`` with the weights of a file; ``name`` and ``sizes`` are those that ``net`` was built with.

    A file that was made for another image size or number of channels, or in the names of the original authors, is
    converted as timm converts its own downloads, for which the network is built again.
    """
    config: Any = net.pretrained_cfg
    heads = config.get("classifier") or ()  # two in distilled transformers
    wanted = prepared(net, state, file, (heads,) if isinstance(heads, str) else heads, new_head=new_head)
    problem = misfit(net, wanted)
    if not problem:
        net.load_state_dict(wanted)
        return net
    overlay = {"state_dict": wanted, "num_classes": sizes.num_classes, "label_offset": None}
    try:
        # Strict, because the class counts agree: nothing stays untouched in silence.
        converted = _create(name, sizes, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # timm's converters meet names they were not written for
        raise ValueError(
            f"checkpoint {file} does not fit {name}: {problem}; name the network it was made with"
        ) from error
    converted.pretrained_cfg = converted.default_cfg = config  # without a second copy of the weights
    return converted


def _create(name: str, sizes: Sizes, **options: Any) -> nn.Module:
    """``img_size`` goes to the architectures that have it; the others say so before they draw any weight."""
    import timm

    options |= {"num_classes": sizes.num_classes, "in_chans": sizes.in_chans}
    try:
        net: nn.Module = timm.create_model(name, img_size=sizes.image_size, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        net = timm.create_model(name, **options)
    return net


def _downloaded(name: str, sizes: Sizes) -> nn.Module:
    address = _address(name)
    with _network(address) as trouble:
        try:
            return _create(name, sizes, pretrained=True)
        except Exception as error:  # of the operating system, of timm, or of whichever library downloads
            # Some errors of the download library are both; what the system says comes first.
            if isinstance(error, MISUSE) and not isinstance(error, OSError):
                raise ValueError(f"published weights of {name} do not serve for {sizes}: {_line(error)}") from error
            raise ConnectionError(
                f"the weights of {name} could not be downloaded from {address} ({trouble or _line(error)}); "
                "download them elsewhere and give the file: --checkpoint FILE"
            ) from error


def _tried(net: nn.Module, name: str, sizes: Sizes) -> nn.Module:
    """``net``, which has shown that it turns one image into ``num_classes`` numbers."""
    was_training = net.training
    images = torch.zeros(1, sizes.in_chans, sizes.image_size, sizes.image_size)
    try:
        with torch.no_grad():
            logits = net.eval()(images)
    except Exception as error:
        config: Any = net.pretrained_cfg
        native = config.get("input_size")
        hint = f", such as {native[-1]}, which it was made for" if native else ""
        raise ValueError(
            f"{name} does not work on {sizes} ({_line(error)}); choose another image_size{hint}"
        ) from error
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape != (1, sizes.num_classes):
        raise ValueError(f"{name} is no classifier: one image gives {shape}, not (1, {sizes.num_classes})")
    return net.train(was_training)


def _check_tag(name: str) -> None:
    from timm.models import list_pretrained

    architecture, _, tag = name.partition(".")
    if tag and name not in (known := list_pretrained(f"{architecture}.*")):
        raise ValueError(f"{architecture} has no published weights {tag!r}; choose from {', '.join(known) or 'none'}")


def _address(name: str) -> str:
    """Where timm downloads the weights from."""
    from huggingface_hub import constants
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise ValueError(f"no weights of {name} are published; start without, or give a file: --checkpoint FILE")
    return str(constants.ENDPOINT if config.hf_hub_id else config.url)


@contextmanager
def _network(address: str) -> Iterator[str]:
    """Asks once whether ``address`` answers; if not, what is inside sees the cache alone. Gives the reason, or ""."""
    from huggingface_hub import constants

    trouble = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else _unreachable(address)
    offline, seconds = constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()
    if trouble:
        constants.HF_HUB_OFFLINE = True
        socket.setdefaulttimeout(PROBE_SECONDS)
    try:
        yield trouble
    finally:
        constants.HF_HUB_OFFLINE = offline
        socket.setdefaulttimeout(seconds)


def _unreachable(address: str) -> str:
    """Say why no server answers there, "" if one does; proxies of the environment are used."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PROBE_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return ""  # an answer all the same
    except (OSError, ValueError) as error:
        return _line(getattr(error, "reason", None) or error)


def _line(error: object) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
