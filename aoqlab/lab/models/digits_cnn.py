"""A small convolutional network for scikit-learn's handwritten digits."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DigitsNet(nn.Module):
    """Three 3x3 convolutions with batch norm, the mean over the image, then one linear layer.

    Made for 8x8 grey images; it takes any size, since the mean leaves none of it.
    """

    def __init__(self, num_classes: int = 10, in_chans: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 16, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, stride=2, bias=False)
        self.norm2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1, stride=2, bias=False)
        self.norm3 = nn.BatchNorm2d(64)
        self.head = nn.Linear(64, num_classes)

    def forward(self, images: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n classes"]:
        """Logits of images."""
        x = torch.relu(self.norm1(self.conv1(images)))
        x = torch.relu(self.norm2(self.conv2(x)))
        x = torch.relu(self.norm3(self.conv3(x)))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits
