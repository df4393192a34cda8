"""What the interval explorer shows of a state, from every weight and by the package's own quantizer."""

import math

import torch

from aoqlab.quantizers.probes import quantization_error
from aoqlab.ste import MIN_STEP


def share_near(x, thresholds, distance):
    """Share of values at most ``distance`` from the nearest threshold: every distance computed."""
    away = (x.detach().double().flatten()[:, None] - thresholds.detach().double()).abs()
    return float((away.min(1).values <= distance).double().mean())


def readouts(explorer):
    """Squared error, SQNR (None without noise or signal), entropy, share near a threshold, crossings, occupancy."""
    state, quantizer, moment = explorer.state, explorer.quantizer(), explorer.value("moment")
    weights = explorer.layers[state["layer"]].weights.detach().float().flatten()
    weights = weights[torch.isfinite(weights)]
    if moment and not quantizer.coupled:
        weights = weights + moment["pull"] * (quantizer.bin_centres(weights) - weights)
    wide, codes = weights.double(), quantizer.encode(weights)
    cuts = quantizer.thresholds().double()
    found = quantization_error(wide, codes, quantizer.levels())
    power = float(wide.square().mean())
    move = explorer.value("move") * (explorer.summary(state["layer"]).sigma or 1.0)
    up, down = (torch.bucketize(wide + by, cuts, right=True).double() for by in (move, -move))
    shares = torch.bincount(codes.long(), minlength=len(cuts) + 1).double() / len(weights)
    return {
        "mse": found["mse"],
        "power": power,
        "sqnr": 10 * math.log10(power / found["mse"]) if found["mse"] > 0 and power > 0 else None,
        "entropy": found["entropy_bits"],
        "near": share_near(wide, cuts, explorer.value("near") * max(float(quantizer.threshold_step), MIN_STEP)),
        "crossings": float((up - down).mean()) / 2,
        "occupancy": shares.tolist(),
    }
