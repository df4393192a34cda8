"""Image classifiers by name: CIFAR ResNets, the digits network, and every classifier of timm."""

from .checkpoints import read_weights
from .cifar_resnet import CifarResNet
from .digits_cnn import DigitsNet
from .factory import CIFAR_RESNETS, create, names

__all__ = ["CIFAR_RESNETS", "CifarResNet", "DigitsNet", "create", "names", "read_weights"]
