"""Every image file of a tree looked at once: is it whole, how large, grey or colour, and its pixels if it is small."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from .pixels import LIMIT

SMALL = 64
"""Images of at most so many pixels in height and width are kept in memory."""
CHANNELS = {"1": 1, "L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 3, "P": 3, "PA": 3, "CMYK": 3, "YCbCr": 3}
"""Channels of each of Pillow's modes with 8 bits; transparency is dropped."""
_CHUNK = 64  # files per job of a thread, so that handing out jobs costs nothing

Looked = dict[str, Tensor]
"""``sizes`` (n, 2): height and width; ``channels`` (n,): 1 or 3; ``pixels``: all bytes, one image after the other, or
none where the images are large."""


@dataclass(frozen=True)
class Look:
    """One image; pixels (h, w) or (h, w, 3) if it was small."""

    height: int
    width: int
    channels: int
    pixels: NDArray[np.uint8] | None


def look(path: Path, share: int) -> Look:
    """Decode one file; keep its pixels if it is small and they take at most ``share`` bytes.

    Large JPEG files are decoded at an eighth of their size, which reads all of the file in a fraction of the time.
    ``ValueError`` names a file that is damaged or has no 8-bit pixels.
    """
    try:
        with Image.open(path) as image:
            (width, height), mode = image.size, image.mode
            channels = CHANNELS.get(mode, 0)
            keep = max(width, height) <= SMALL and width * height * channels <= share
            if not keep:
                image.draft("L", (1, 1))
            image.load()
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB")) if keep and channels else None
    except Exception as error:  # Pillow raises nearly everything for a damaged file
        raise ValueError(f"{path} cannot be read as an image ({error}); replace or delete it") from error
    if not channels:
        raise ValueError(f"{path} has pixels of Pillow's mode {mode}; convert it to 8 bits per channel")
    return Look(height, width, channels, pixels)


def look_at_all(paths: Sequence[Path], threads: int) -> Looked:
    """:func:`look` for every file, in a pool of threads with a progress bar."""
    share = LIMIT // max(1, len(paths))
    chunks = [paths[first : first + _CHUNK] for first in range(0, len(paths), _CHUNK)]
    looks: list[Look] = []
    pool = ThreadPoolExecutor(threads)
    try:
        with tqdm(total=len(paths), desc="reading images", unit="image", leave=False) as bar:
            for found in pool.map(lambda chunk: [look(path, share) for path in chunk], chunks):
                looks += found
                bar.update(len(found))
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C the rest is not waited for
    kept = [one.pixels.reshape(-1) for one in looks if one.pixels is not None]
    every = len(kept) == len(looks)
    return {
        "sizes": torch.tensor([(one.height, one.width) for one in looks], dtype=torch.int32).view(-1, 2),
        "channels": torch.tensor([one.channels for one in looks], dtype=torch.uint8),
        "pixels": torch.from_numpy(np.concatenate(kept)) if every else torch.empty(0, dtype=torch.uint8),
    }


def fitted(pixels: UInt8[Tensor, " bytes"], sizes: Tensor, channels: int, size: int) -> UInt8[Tensor, "n s s c"]:
    """Images of any sizes scaled until the shorter side is ``size`` pixels, then the middle square."""
    from PIL import ImageOps

    areas = (sizes.long().prod(1) * channels).tolist()
    out = np.empty((len(sizes), size, size, channels), dtype=np.uint8)
    for place, one, (height, width) in zip(out, pixels.split(areas), sizes.tolist(), strict=True):
        array = one.numpy().reshape((height, width) if channels == 1 else (height, width, channels))
        square = ImageOps.fit(Image.fromarray(array), (size, size), Image.Resampling.BICUBIC)
        place[:] = np.asarray(square).reshape(size, size, channels)
    return torch.from_numpy(out)
