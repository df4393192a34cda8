"""The paper's claims as objects: what decides each, the runs it needs, and verdicts computed from those."""

from .claim import Claim as Claim
from .claim import Part as Part
from .families import CLAIMS as CLAIMS
from .families import FAMILIES as FAMILIES
from .results import Results as Results
from .results import load as load
from .running import reproduce as reproduce
