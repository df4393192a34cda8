"""Make an installed torchvision importable next to a torch that it was not compiled for.

PyPI's torchvision is compiled for the CUDA build of torch. Next to a CPU build its library does not load, and
``import torchvision`` then fails with "operator torchvision::nms does not exist", because its Python code registers
fake kernels for two operators that only the library declares. Their schemas are all that is missing: models, data sets
and transforms do not need the library. ``python -m aoqlab.lab.shared.torchvision_repair`` adds the schemas to the
installed package itself, so that no order of imports matters; ``bash run.sh`` does so once, when it builds its
environment.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

MARK = "# Added by aoqlab: schemas of the operators that the compiled library would declare."
# The schemas are from torchvision/csrc/ops/nms.cpp and quantized/cpu/qnms_kernel.cpp.
ADDED = f"""

{MARK}
if not _has_ops():
    _aoqlab_schemas = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, _name):
            _aoqlab_schemas.define(_name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
IMPORT = [sys.executable, "-c", "import torchvision"]


def repair(folder: Path) -> None:
    """Add the schemas to the torchvision in ``folder``, once."""
    extension = folder / "extension.py"
    source = extension.read_text(encoding="utf-8")
    if MARK not in source:
        extension.write_text(source + ADDED, encoding="utf-8")


def main() -> int:
    """Repair this environment's torchvision if it cannot be imported; return the exit status."""
    spec = find_spec("torchvision")
    if spec is None or not spec.origin or subprocess.run(IMPORT, capture_output=True, check=False).returncode == 0:
        return 0
    repair(Path(spec.origin).parent)
    return subprocess.run(IMPORT, check=False).returncode  # what is still wrong is said by Python


if __name__ == "__main__":
    sys.exit(main())
