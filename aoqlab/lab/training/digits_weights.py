"""The weights of the digits network that the notebooks look at, trained here."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save

from ..shared import paths
from ..shared.files import write_set
from .config import TrainConfig
from .run import train

NETWORK = "digits_cnn"


def write_weights() -> Path:
    """Train the full-precision network by the recipe and write it to ``data/``, where ``models.create`` finds it."""
    config = TrainConfig(arch=NETWORK, data="digits", method="fp32", device="cpu", threads=1)
    result = train(config, keep=False, quiet=True)
    score = result.result["accuracy"]
    # One entry: the library writes several in any order, and the same network should be the same file.
    meta = {"training": json.dumps({"seed": config.seed, "accuracy": round(score, 4), "torch": str(torch.__version__)})}
    # The file format knows one memory order, which is not the one that the engine trains in.
    weights = {name: value.contiguous() for name, value in result.model.state_dict().items()}
    path = paths.data_dir() / f"{NETWORK}.safetensors"
    write_set({path: save(weights, meta)})
    print(f"wrote {path}: {score:.1%} of the test digits right, seed {config.seed}")
    return path
