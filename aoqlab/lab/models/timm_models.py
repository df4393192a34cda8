"""Classifiers of timm: built for small images too, with weights that are downloaded or from a file."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoints import load_weights, misfit, prepared

MISUSE = (AssertionError, KeyError, RuntimeError, TypeError, ValueError)
PROBE_SECONDS = 5
"""How long a server may take to answer; the download library alone would retry for most of a minute."""


def names() -> list[str]:
    """All architectures of the installed timm; takes seconds, because it imports timm."""
    import timm

    return list(timm.list_models())


def exists(name: str) -> bool:
    """Whether timm has the architecture; a tag after a dot ("resnet18.tv_in1k") says which weights."""
    from timm.models import is_model

    return not set(name) & set(":/\\") and bool(is_model(name.partition(".")[0]))


def build(name: str, *, num_classes: int, in_chans: int, image_size: int, pretrained: bool = False) -> nn.Module:
    """Build a timm classifier for square images of ``image_size`` pixels.

    Transformers are built for that size; convolutional networks take any size, so they are only tried at it. With
    ``pretrained``, timm downloads weights (or finds them in its cache) and fits them to ``num_classes``, ``in_chans``
    and ``image_size``. Raises ``ValueError`` if the architecture cannot do that, ``ConnectionError`` without network.
    """
    _check_tag(name)
    sizes = (num_classes, in_chans, image_size)
    if pretrained:
        return _tried(_downloaded(name, *sizes), name, *sizes)
    try:
        net = _create(name, *sizes)
    except Exception as error:  # each architecture has its own way to fail
        raise ValueError(f"{name} cannot be built for {_wish(*sizes)}: {_line(error)}") from error
    return _tried(net, name, *sizes)


def load(
    net: nn.Module,
    state: Mapping[str, Tensor],
    file: str | Path,
    name: str,
    *,
    num_classes: int,
    in_chans: int,
    image_size: int,
    new_head: bool = False,
) -> nn.Module:
    """``net`` with the weights of a file; the other arguments are those ``net`` was built with.

    A file that was made for another image size or number of channels, or in the names of the original authors, is
    converted as timm converts its own downloads, for which the network is built again.
    """
    heads = _heads(net)
    wanted = prepared(net, state, file, heads, new_head=new_head)
    problem = misfit(net, wanted)
    if not problem:
        load_weights(net, wanted, file, heads)
        return net
    overlay = {"state_dict": wanted, "num_classes": num_classes, "label_offset": None}
    try:
        # Strict, because the class counts agree: nothing stays untouched in silence.
        converted = _create(name, num_classes, in_chans, image_size, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # timm's converters meet names they were not written for
        raise ValueError(
            f"checkpoint {file} does not fit {name}: {problem}; name the network it was made with"
        ) from error
    converted.pretrained_cfg = converted.default_cfg = net.pretrained_cfg  # without a second copy of the weights
    return converted


def _create(name: str, num_classes: int, in_chans: int, image_size: int, **options: Any) -> nn.Module:
    """``img_size`` goes to the architectures that have it; the others say so before they draw any weight."""
    import timm

    options |= {"num_classes": num_classes, "in_chans": in_chans}
    try:
        net: nn.Module = timm.create_model(name, img_size=image_size, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        net = timm.create_model(name, **options)
    return net


def _downloaded(name: str, num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    address = _address(name)
    with _network(address) as trouble:
        try:
            return _create(name, num_classes, in_chans, image_size, pretrained=True)
        except Exception as error:  # of the operating system, of timm, or of whichever library downloads
            # Some errors of the download library are both; what the system says comes first.
            if isinstance(error, MISUSE) and not isinstance(error, OSError):
                wish = _wish(num_classes, in_chans, image_size)
                raise ValueError(f"published weights of {name} do not serve for {wish}: {_line(error)}") from error
            raise ConnectionError(
                f"the weights of {name} could not be downloaded from {address} ({trouble or _line(error)}); "
                "download them elsewhere and give the file: --checkpoint FILE"
            ) from error


def _tried(net: nn.Module, name: str, num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """``net``, which has shown that it turns one image into ``num_classes`` numbers."""
    was_training = net.training
    images = torch.zeros(1, in_chans, image_size, image_size)
    try:
        with torch.no_grad():
            logits = net.eval()(images)
    except Exception as error:
        wish = _wish(num_classes, in_chans, image_size)
        raise ValueError(
            f"{name} does not work on {wish} ({_line(error)}); choose another image_size{_native(net)}"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (1, num_classes):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"{name} is no classifier: one image gives {shape}, not (1, {num_classes}); choose another")
    return net.train(was_training)


def _wish(num_classes: int, in_chans: int, image_size: int) -> str:
    return f"{image_size}x{image_size} images of {in_chans} channels in {num_classes} classes"


def _native(net: nn.Module) -> str:
    size = net.pretrained_cfg.get("input_size") if isinstance(net.pretrained_cfg, dict) else None
    return f", such as {size[-1]}, which it was made for" if size else ""


def _heads(net: nn.Module) -> tuple[str, ...]:
    """Names of the last layers, two in distilled transformers."""
    config = net.pretrained_cfg
    found = config.get("classifier") if isinstance(config, dict) else None
    return (found,) if isinstance(found, str) else tuple(found or ())


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

    if constants.HF_HUB_OFFLINE:
        yield "HF_HUB_OFFLINE is set"
        return
    trouble = _unreachable(address)
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
