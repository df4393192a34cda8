"""The residual networks of He et al. for small images: three stages of 16, 32 and 64 channels."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ...surgery.inputs import rectified

Shortcut = Literal["A", "B"]
DEPTHS = (20, 32, 44, 56, 110)


class PaddedShortcut(nn.Module):
    """Every second pixel, with as many channels of zeros before as after the ones there are; no weights.

    Option A of He et al., Deep Residual Learning for Image Recognition (2016), section 4.2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n channels_out h_out w_out"]:
        more = (self.channels - x.shape[1]) // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more, more))


class Block(nn.Module):
    """relu(shortcut(x) + bn2(conv2(relu(bn1(conv1(x)))))), two 3x3 convolutions."""

    def __init__(self, channels_in: int, channels: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module
        if stride == 1 and channels_in == channels:
            self.shortcut = nn.Identity()
        elif shortcut == "A":
            self.shortcut = PaddedShortcut(channels)
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n channels_out h_out w_out"]:
        """Return the block's output, at 1/stride of the image size."""
        residual = self.bn2(self.conv2(rectified(self.bn1(self.conv1(x)), self.conv2)))
        return torch.relu(residual + self.shortcut(x))


class CifarResNet(nn.Module):
    """Residual network of ``depth`` = 6k + 2 layers: a 3x3 convolution, three stages of k blocks, one linear layer.

    Where the image shrinks, the shortcut is a 1x1 convolution with batch norm (option ``"B"``) or has no weights
    (option ``"A"``, :class:`PaddedShortcut`). Weights start as in the widely used CIFAR code: He's normal distribution,
    std sqrt(2 / fan-in), also for the linear layer. Layers are named as in the published checkpoints.
    Source: He et al., Deep Residual Learning for Image Recognition (2016), section 4.2.
    """

    def __init__(self, depth: int, num_classes: int = 10, in_chans: int = 3, shortcut: Shortcut = "B") -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6k + 2 (20, 32, 44, …), got {depth}")
        if shortcut not in get_args(Shortcut):
            raise ValueError(f"shortcut must be 'A' or 'B', got {shortcut!r}")
        self.depth, self.option = depth, shortcut
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(in_chans, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, 1, shortcut)
        self.layer2 = _stage(16, 32, blocks, 2, shortcut)
        self.layer3 = _stage(32, 64, blocks, 2, shortcut)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n classes"]:
        """Logits of images of any size; made for 32x32."""
        x = torch.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def _stage(channels_in: int, channels: int, blocks: int, stride: int, shortcut: Shortcut) -> nn.Sequential:
    first = Block(channels_in, channels, stride, shortcut)
    return nn.Sequential(first, *(Block(channels, channels, 1, shortcut) for _ in range(blocks - 1)))
