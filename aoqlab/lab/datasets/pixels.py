"""Batched work on images that are bytes with the channels last: crop, flip, resize, normalise."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

LIMIT = 2 * 1024**3
"""Bytes of images, all splits together, that are kept in memory."""


def crop_and_flip(
    images: UInt8[Tensor, "n h w c"],
    top: Int64[Tensor, " n"],
    left: Int64[Tensor, " n"],
    flip: Bool[Tensor, " n"],
    padding: int,
) -> UInt8[Tensor, "n h w c"]:
    """Shift every image inside a black frame and mirror some of them.

    out[i, y, x] = padded[i, top_i + y, left_i + x'], x' = w - 1 - x where flip_i, otherwise x; the padded image has
    ``padding`` zeros on each side, and top, left are 0 … 2·padding. One gather of whole pixels.
    """
    n, height, width, channels = images.shape
    tall, wide = height + 2 * padding, width + 2 * padding
    framed = images.new_zeros(n, tall, wide, channels)
    framed[:, padding : padding + height, padding : padding + width] = images

    def count(size: int) -> Tensor:
        return torch.arange(size, device=images.device)

    columns = torch.where(flip[:, None], width - 1 - count(width), count(width)) + left[:, None]
    rows = count(n)[:, None] * tall + top[:, None] + count(height)
    where = (rows * wide)[:, :, None] + columns[:, None, :]
    return framed.view(-1, channels).index_select(0, where.view(-1)).view(n, height, width, channels)


def normalise(
    images: UInt8[Tensor, "n h w c"], mean: Float[Tensor, " c"], std: Float[Tensor, " c"]
) -> Float[Tensor, "n c h w"]:
    """(images - mean) / std with mean and std of pixel values 0 … 255; the result is channels-last.

    Subtraction and product are rounded one after the other, so a value does not depend on its place in the batch.
    """
    n, height, width, channels = images.shape
    # A row of an image at once: with the channels alone as inner dimension the loop would be three long.
    flat = images.reshape(n, height, width * channels).float()
    flat.sub_(mean.repeat(width)).mul_(std.reciprocal().repeat(width))
    return flat.view(n, height, width, channels).permute(0, 3, 1, 2)


def resized(images: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c size size"]:
    """Bilinear with antialias: a weighted mean, so no value leaves the range of its neighbours."""
    scaled = torch.nn.functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return scaled.contiguous(memory_format=torch.channels_last)


def resized_bytes(images: UInt8[Tensor, "n h w c"], size: int) -> UInt8[Tensor, "n size size c"]:
    """:func:`resized`, rounded to bytes, a thousand images at a time."""
    out = images.new_empty(len(images), size, size, images.shape[-1])
    for part, into in zip(images.split(1000), out.split(1000), strict=True):
        into.copy_(resized(part.permute(0, 3, 1, 2).float(), size).round().permute(0, 2, 3, 1))
    return out


def mean_and_std(images: UInt8[Tensor, "n h w c"]) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Per channel over all pixels, values 0 … 255, exact sums; a constant channel gets std 1."""
    flat = images.reshape(-1, images.shape[-1])
    counts = torch.stack([torch.bincount(channel, minlength=256) for channel in flat.unbind(1)]).double()
    share = counts / len(flat)
    values = torch.arange(256, dtype=torch.float64, device=images.device)
    mean = (share * values).sum(1)
    std = (share * (values - mean[:, None]).square()).sum(1).sqrt()
    return mean.float(), torch.where(std > 0, std, 1.0).float()
