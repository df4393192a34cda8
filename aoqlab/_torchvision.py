"""Make torchvision and timm importable beside a CPU-only torch.

PyPI's torchvision is built for CUDA. Beside a CPU-only torch its compiled library ``torchvision/_C*.so``
finds no CUDA runtime and stays unloaded, so the operator ``torchvision::nms`` does not exist; torchvision
then stops at import, because it registers a fake kernel for exactly that operator. The schema alone, without
a kernel, is enough to get past that line. Models, transforms and data sets need no compiled operator.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    import torch.library

# As torchvision's C++ code declares them (torchvision/csrc/ops/nms.cpp, quantized/cpu/qnms_kernel.cpp).
SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# A torch.library.Library takes its operators back when it is garbage collected, so it has to live here.
_libraries: list[torch.library.Library] = []


def mend() -> None:
    """Have the missing schemas defined at the moment torchvision is imported, should they be missing then.

    Costs nothing now: neither torch nor torchvision is imported, so ``aoqlab --help`` stays fast. Does
    nothing where torchvision is imported already, and calling it twice is the same as calling it once.
    """
    if "torchvision" not in sys.modules and not any(isinstance(f, _BeforeTorchvision) for f in sys.meta_path):
        sys.meta_path.insert(0, _BeforeTorchvision())


class _BeforeTorchvision:
    """A meta path finder that finds nothing: it hears that torchvision is to be imported, acts once, leaves.

    It does not derive from ``importlib.abc.MetaPathFinder``, whose import alone would cost more than this.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)  # first, so that looking for torchvision below does not come back here
            define_missing_operators()
        return None


def define_missing_operators() -> bool:
    """Define the schemas if torchvision is installed and its compiled library does not load.

    The library is tried as torchvision tries it, which makes the answer the one torchvision will get. Where
    it loads, torchvision's own attempt finds it loaded, so nothing is done twice. Returns whether anything
    had to be defined.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False

    import torch  # torchvision is about to import it anyway

    for folder in spec.submodule_search_locations:
        library = importlib.machinery.PathFinder.find_spec("_C", [folder])
        if library is not None and library.origin is not None:
            try:
                torch.ops.load_library(library.origin)
            except (ImportError, OSError):
                continue  # built for another torch, in practice for CUDA
            return False

    missing = [schema for name, schema in SCHEMAS.items() if not hasattr(torch.ops.torchvision, name)]
    if missing:
        # A fragment adds to a namespace whoever else has opened it.
        fragment = torch.library.Library("torchvision", "FRAGMENT")
        for schema in missing:
            fragment.define(schema)
        _libraries.append(fragment)
    return bool(missing)
