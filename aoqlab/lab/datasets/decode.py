"""Every image file of a tree looked at once: is it whole, how large, grey or colour, and its pixels if it is small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from .pixels import LIMIT

SMALL = 64
"""Images of at most so many pixels in height and width are kept in memory."""
CHANNELS = {"1": 1, "L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "RGBX": 3, "P": 3, "PA": 3, "CMYK": 3, "YCbCr": 3}
"""Channels of each of Pillow's modes with 8 bits; transparency is dropped."""
SIDEWAYS = 5
"""The first of EXIF's orientations, 1 to 8, in which height and width change places."""


def upright(image: Image.Image) -> Image.Image:
    """Return the image as its EXIF orientation asks to show it."""
    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def look(path: str, share: int) -> tuple[int, int, int, NDArray[np.uint8] | None]:
    """Decode one file; return height, width, channels, and its pixels if it is small: at most ``share`` bytes.

    Large JPEG files are decoded at an eighth of their size, which reads all of the file in a fraction of the time.
    ``ValueError`` names a file that is damaged or has no 8-bit pixels.
    """
    try:
        with Image.open(path) as image:
            size, mode = image.size, image.mode
            channels = CHANNELS.get(mode, 0)
            keep = max(size) <= SMALL and size[0] * size[1] * channels <= share
            drafted = not keep and image.draft("L", (1, 1)) is not None
            image.load()
            # Some readers turn the image themselves, and then the tag is gone.
            width, height = size if drafted else image.size
            if image.getexif().get(ExifTags.Base.Orientation, 1) >= SIDEWAYS:
                width, height = height, width
            pixels = np.asarray(upright(image).convert("L" if channels == 1 else "RGB")) if keep and channels else None
    except Exception as error:  # Pillow raises nearly everything for a damaged file
        raise ValueError(f"{path} cannot be read as an image ({error}); replace or delete it") from error
    if not channels:
        raise ValueError(f"{path} has pixels of Pillow's mode {mode}; convert it to 8 bits per channel")
    return height, width, channels, pixels


def look_at_all(paths: Sequence[str]) -> dict[str, Tensor]:
    """:func:`look` at every file, in a thread per core with a progress bar.

    Returns ``sizes`` (n, 2): height and width; ``channels`` (n,): 1 or 3; ``pixels``: all bytes, one image after the
    other, or none where an image is large.
    """
    share = LIMIT // max(1, len(paths))
    # Batches, so that handing out jobs costs nothing.
    side_by_side = Parallel(-1, prefer="threads", batch_size=64, return_as="generator")
    found = side_by_side(delayed(look)(path, share) for path in paths)
    looks = list(tqdm(found, "reading images", len(paths), leave=False, unit="image"))
    kept = [pixels.reshape(-1) for *_, pixels in looks if pixels is not None]
    every = len(kept) == len(looks)
    return {
        "sizes": torch.tensor([size for *size, _, _ in looks], dtype=torch.int32).view(-1, 2),
        "channels": torch.tensor([channels for _, _, channels, _ in looks], dtype=torch.uint8),
        "pixels": torch.from_numpy(np.concatenate(kept)) if every else torch.empty(0, dtype=torch.uint8),
    }


def fitted(pixels: UInt8[Tensor, " bytes"], sizes: Tensor, channels: int, size: int) -> UInt8[Tensor, "n s s c"]:
    """Images of any sizes scaled until the shorter side is ``size`` pixels, then the middle square."""
    areas = (sizes.long().prod(1) * channels).tolist()
    out = np.empty((len(sizes), size, size, channels), dtype=np.uint8)
    for place, one, (height, width) in zip(out, pixels.split(areas), sizes.tolist(), strict=True):
        array = one.numpy().reshape((height, width) if channels == 1 else (height, width, channels))
        square = ImageOps.fit(Image.fromarray(array), (size, size), Image.Resampling.BICUBIC)
        place[:] = np.asarray(square).reshape(size, size, channels)
    return torch.from_numpy(out)
