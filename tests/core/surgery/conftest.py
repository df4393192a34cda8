import pytest
import torch
from torch import nn


class Block(nn.Module):
    """A residual block as in CIFAR ResNets; option B where a stride or the channels change."""

    def __init__(self, inside, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or inside != out:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class TinyResNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(Block(width, width))
        self.layer2 = nn.Sequential(Block(width, 2 * width, 2))
        self.linear = nn.Linear(2 * width, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer2(self.layer1(x)).mean((2, 3)))


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    return TinyResNet()


@pytest.fixture
def images():
    return torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def make():
    """Builds the same network with the same weights each time."""

    def build(kind=TinyResNet, seed=0):
        torch.manual_seed(seed)
        return kind()

    return build


class Mixed(nn.Module):
    """Every kind of layer and of input: signed, GELU's shallow tail, ReLU."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 8, bias=False)
        self.pointwise = nn.Conv1d(8, 8, 1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.norm(self.stem(x).flatten(2).transpose(1, 2))
        x = self.fc2(nn.functional.gelu(4 * self.fc1(x)))
        x = self.pointwise(torch.relu(x).transpose(1, 2))
        return self.head(x.mean(2))


@pytest.fixture
def mixed():
    torch.manual_seed(0)
    return Mixed()
