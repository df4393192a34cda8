"""All claims, by the notebook that shows them and by name."""

from __future__ import annotations

from ..claim import Claim
from . import accuracy, decoupling, exploration, landscape, stages

FAMILIES = {
    "landscape": landscape.CLAIMS,
    "exploration": exploration.CLAIMS,
    "stages": stages.CLAIMS,
    "decoupling": decoupling.CLAIMS,
    "accuracy": accuracy.CLAIMS,
}
CLAIMS: dict[str, Claim] = {claim.id: claim for claims in FAMILIES.values() for claim in claims}
