"""Weights from files that others wrote: read without running code, checked before a network takes them."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..shared.files import has_digest, read_checked

State = dict[str, Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "model_ema", "state_dict_ema", "ema")
"""Where training scripts keep the weights inside what they save."""
MOST_UNPACKED = 10
"""How many times its size a file may become in memory."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What data parallelism, compilation and training frameworks put in front of every name."""


def read_weights(file: str | Path, *, finite: bool = True) -> State:
    """Read the named tensors of a checkpoint (.th, .pth, .pt, .safetensors), without wrappers and prefixes, on the CPU.

    The format is told by the content, not by the suffix. Pickles are read with ``weights_only=True``: one that holds
    anything but plain data and tensors is refused, so reading never runs code. Raises ``FileNotFoundError`` or
    ``ValueError``, both naming the file. Sizes are read before anything is unpacked, and tensors must have numbers of
    their own: a file that would become far larger than it is, and sparse, quantized, nested, meta and complex tensors
    are refused. NaN and infinity are refused too, unless ``finite`` is ``False``: to look at what went wrong.
    """
    file = Path(file)
    if not file.is_file():
        kind = "is a folder" if file.is_dir() else "does not exist"
        raise FileNotFoundError(f"checkpoint {file} {kind}; name a .pth, .pt, .th or .safetensors file")
    try:
        if has_digest(file):
            read_checked(file)
        content = load_file(file) if _is_safetensors(file) else _load_pickle(file)
    except Exception as error:  # foreign bytes: the readers raise whatever the bytes lead them to
        raise ValueError(_why_unreadable(file, error)) from error
    return _plain(_unwrapped(content), file, finite)


def load_weights(
    net: nn.Module, state: Mapping[str, Tensor], file: str | Path, heads: Sequence[str], *, new_head: bool = False
) -> None:
    """Copy ``state`` into ``net``, all of it or, with one ``ValueError``, nothing.

    ``heads`` are the names of the last linear layers; with ``new_head`` these keep the values they have.
    """
    state = prepared(net, state, file, heads, new_head=new_head)
    if problem := misfit(net, state):
        raise ValueError(f"checkpoint {file} does not fit the network: {problem}; name the network it was made with")
    net.load_state_dict(state)


def prepared(
    net: nn.Module, state: Mapping[str, Tensor], file: str | Path, heads: Sequence[str], *, new_head: bool = False
) -> State:
    """``state`` as ``net`` expects it: the head of the right size, or ``net``'s own; no step counters missing.

    Files from before batch norm counted its steps lack ``num_batches_tracked``, which nothing here reads.
    """
    own, state = net.state_dict(), dict(state)
    for head in heads:
        weight = f"{head}.weight"
        if new_head:
            state = {name: value for name, value in state.items() if not name.startswith(f"{head}.")}
            state |= {name: value for name, value in own.items() if name.startswith(f"{head}.")}
        elif weight in state and weight in own and len(state[weight]) != len(own[weight]):
            raise ValueError(
                f"checkpoint {file} tells {len(state[weight])} classes apart, the network {len(own[weight])}; "
                f"set num_classes={len(state[weight])}, or new_head=True to train a new last layer"
            )
    return state | {n: v for n, v in own.items() if n.endswith("num_batches_tracked") and n not in state}


def misfit(net: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Why ``net`` cannot take ``state``: the first few names missing, unexpected or of another shape; "" if it can."""
    own = net.state_dict()
    shapes = [
        f"{name} is {tuple(state[name].shape)} and should be {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    found = {
        "missing": [name for name in own if name not in state],
        "unexpected": [name for name in state if name not in own],
        "of another shape": shapes,
    }
    return "; ".join(f"{kind}: {_first(names)}" for kind, names in found.items() if names)


def _first(names: list[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _start(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(9)


def _is_safetensors(file: Path) -> bool:
    """Tell whether a file begins with an 8-byte length and JSON, as no zip archive and no pickle does."""
    start = _start(file)
    return start[8:] == b"{" or (file.suffix == ".safetensors" and not start.startswith((b"PK", b"\x80")))


def _load_pickle(file: Path) -> object:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:  # torch.save does not compress
            unpacked, packed = sum(entry.file_size for entry in archive.infolist()), file.stat().st_size
        if unpacked > MOST_UNPACKED * packed:
            raise ValueError(f"{packed:,} bytes would unpack to {unpacked:,}")
    # Given the name, torch would go by the suffix.
    with file.open("rb") as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pickles that torch.save did not write: the error that follows says it
        return torch.load(opened, map_location="cpu", weights_only=True)


def _why_unreadable(file: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"checkpoint {file} cannot be opened (permission denied); change its permissions"
    reason = str(error).split("WeightsUnpickler error:")[-1].strip()
    foreign = re.search(r"(?:GLOBAL|global:?|class|type) `?([\w.]+\.[\w.]+)`?", reason)
    if foreign or (
        reason.startswith("Unsupported operand") and _start(file)[:2] in (b"\x80\x03", b"\x80\x04", b"\x80\x05")
    ):
        what = f"a Python object ({foreign[1]})" if foreign else "a pickle that torch.save did not write"
        return (
            f"checkpoint {file} holds {what} and was not loaded, since unpickling it could run code; "
            "save its tensors alone, best as .safetensors"
        )
    reason = reason.split("\n")[0][:120] or type(error).__name__
    return f"checkpoint {file} is damaged or no checkpoint ({reason}); fetch or make it again"


def _unwrapped(content: object) -> object:
    for _ in range(4):  # a pickle may hold itself
        inner = (
            [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
            if isinstance(content, Mapping)
            else []
        )
        content = inner[0] if inner else content
    return content


def _no_numbers(value: Tensor, file: Path) -> str:
    """Say what kind of tensor has no real number of its own for each element; "" for one that has."""
    if value.layout != torch.strided or value.is_nested:
        return "a sparse or nested tensor"
    if value.is_meta or value.is_quantized or value.is_complex():
        return f"a {'meta' if value.is_meta else 'quantized' if value.is_quantized else 'complex'} tensor"
    size = value.numel() * value.element_size()
    if size > max(value.untyped_storage().nbytes(), file.stat().st_size):
        return f"a tensor of shape {tuple(value.shape)} that repeats fewer numbers"
    return ""


def _plain(content: object, file: Path, finite: bool) -> State:
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        what = f"a dict of {_first([repr(k) for k in content])}" if isinstance(content, Mapping) else type(content)
        raise ValueError(f"checkpoint {file} holds no named weights ({what}); give one that holds a state_dict")
    state: State = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"checkpoint {file} has {name!r} of type {type(value).__name__} among its weights; keep tensors alone"
            )
        if problem := _no_numbers(value, file):
            raise ValueError(f"checkpoint {file} has in {name} {problem}; save dense tensors of real numbers")
        number = value.double() if value.element_size() == 1 else value  # 8-bit floats have no isfinite
        if finite and value.is_floating_point() and not torch.isfinite(number).all():
            raise ValueError(f"checkpoint {file} has NaN or infinity in {name}; take one from before that happened")
        state[name] = value.detach()
    if any(name.startswith("module.") for name in state):
        state.pop("n_averaged", None)  # torch.optim.swa_utils.AveragedModel counts
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
