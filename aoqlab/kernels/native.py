"""Compiled CPU kernels: built once with the machine's C++ compiler, cached, loaded with ctypes.

Where no compiler exists :func:`library` returns ``None`` and says so once (with ``AOQLAB_NATIVE=0``, silently). Callers
then use their eager Torch twin, which is correct everywhere and the only path on other devices.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

SOURCE = Path(__file__).parent / "kernels.cpp"
FLAGS = ("-O3", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared")
SUFFIX = {torch.float32: "f32", torch.float64: "f64"}
# Below this many elements per thread, starting a thread costs more than it saves.
GRAIN = 65536


class NativeUnavailableWarning(UserWarning):
    """The compiled kernels could not be built; eager Torch code is used instead (same results, slower)."""


def cache_folder() -> Path:
    """Return where compiled kernels are kept: ``$AOQLAB_CACHE``, ``$XDG_CACHE_HOME/aoqlab`` or ``~/.cache/aoqlab``."""
    if folder := os.environ.get("AOQLAB_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aoqlab"


def _compiler() -> str | None:
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def _processor() -> str:
    """Return what ``-march=native`` depends on, so that a cache shared between machines never serves the wrong code."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    except OSError:
        return platform.processor() + platform.machine()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _cached(stem: str) -> Path | None:
    """Return a library built earlier; its name ends with its checksum, as loading a damaged one would kill Python."""
    for path in sorted(cache_folder().glob(f"{stem}-*.so")):
        if path.stem == f"{stem}-{_digest(path.read_bytes())}":
            return path
    return None


def _more_flags() -> list[str]:
    """Return the flags in ``$AOQLAB_CXXFLAGS``, such as ``-fsanitize=address``, which come last and so win."""
    return os.environ.get("AOQLAB_CXXFLAGS", "").split()


def _build(compiler: str, stem: str) -> Path:
    """Compile into a temporary file and move it into place, so that no reader sees half a library."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".so", dir=folder)
    os.close(handle)
    try:
        errors = ""
        for march in (["-march=native"], ["-mcpu=native"], []):  # GCC and Clang spell it differently per architecture
            command = [compiler, *FLAGS, *_more_flags(), *march, "-pthread", str(SOURCE), "-o", name]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)  # a busy machine needs minutes
            if done.returncode == 0:
                target = folder / f"{stem}-{_digest(Path(name).read_bytes())}.so"
                os.replace(name, target)
                return target
            errors = done.stderr.strip()
        raise OSError(f"{compiler} could not compile {SOURCE.name}: {errors[-500:]}")
    finally:
        Path(name).unlink(missing_ok=True)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the loaded kernels, or ``None`` (with one warning) where they cannot be built."""
    if os.environ.get("AOQLAB_NATIVE") == "0":
        return None
    try:
        compiler = _compiler()
        if compiler is None:
            raise OSError("no C++ compiler found (looked for $CXX, c++, g++, clang++)")
        sources = [path.read_text() for path in sorted(SOURCE.parent.glob("*.?pp"))]
        key = "\n".join((*sources, *FLAGS, *_more_flags(), compiler, _processor()))
        stem = f"kernels-{_digest(key.encode())}"
        kernels = ctypes.CDLL(str(_cached(stem) or _build(compiler, stem)))
    except (OSError, subprocess.SubprocessError) as error:
        message = f"aoqlab runs without its compiled kernels, slower but with the same results: {error}"
        warnings.warn(message, NativeUnavailableWarning, stacklevel=2)
        return None
    # The kernels use the threads of Torch's OpenMP runtime if that is GNU's; otherwise they start their own.
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))[:1]:
        # Loaded already by Torch, so this is a second handle, not a second runtime.
        kernels.use_gomp(ctypes.cast(ctypes.CDLL(str(path)).GOMP_parallel, ctypes.c_void_p))
    return kernels


def keep_memory() -> bool:
    """Let the C library keep freed memory for the next tensor, and return whether it does (only GNU's can).

    Every training step needs the same blocks again; each 4 KiB that went back to the system costs a page fault.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    mallopt = ctypes.CDLL(None).mallopt
    # The first without the second would make things worse: it stops glibc from adapting the second by itself. Older
    # versions allow no more than 32 MiB.
    return any(mallopt(mmap_threshold, size) for size in (1 << 30, 32 << 20)) and bool(
        mallopt(trim_threshold, 2**31 - 1)
    )


def check_memory(tensor: Tensor) -> bool:
    """Return whether a tensor has memory of its own; raise ``ValueError`` where it was freed.

    The wrappers of ``torch.func`` have none. Torch's own operations would read at the address of freed memory.
    """
    try:
        held = tensor.untyped_storage().nbytes() // tensor.itemsize
    except (RuntimeError, NotImplementedError):
        return False
    last = tensor.storage_offset() + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.numel() and held <= last:
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} has lost its memory: its storage was resized")
    return True


def _readable(tensor: Tensor) -> bool:
    """Return whether a kernel can read and write this tensor's elements at its address.

    False for subclasses (fake, nested, distributed ...), and where the elements are to be read with the other sign.
    """
    plain = type(tensor) in (Tensor, Parameter) and tensor.is_cpu and tensor.layout == torch.strided
    return plain and not tensor.is_nested and not tensor.is_neg() and check_memory(tensor)


def tracing() -> bool:
    """Return whether ``torch.jit.trace`` or an exporter that uses it is under way."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined]


def watched() -> bool:
    """Return whether a tracer or a dispatch mode has to see every operation, and maybe without values."""
    return torch.compiler.is_compiling() or tracing() or is_in_torch_dispatch_mode()


def available(*tensors: Tensor) -> bool:
    """Return whether the kernels exist, can read these tensors, and nothing watches."""
    # Asked first: while it traces a backward pass, torch 2.6 refuses to tell where a tensor is.
    return not watched() and all(_readable(tensor) for tensor in tensors) and library() is not None


def usable(*tensors: Tensor) -> bool:
    """Return whether the kernels can take these tensors: :func:`available`, and all float32 or all float64."""
    dtype = tensors[0].dtype
    return dtype in SUFFIX and all(t.dtype == dtype for t in tensors) and available(*tensors)


def threads_for(elements: int) -> int:
    """Return how many threads are worth starting for so many elements."""
    return max(1, min(torch.get_num_threads(), elements // GRAIN))


def _parameter(value: object) -> Any:
    return (
        ctypes.c_double if isinstance(value, float) else ctypes.c_int64 if isinstance(value, int) else ctypes.c_void_p
    )


def call(name: str, *arguments: object) -> None:
    """Call a kernel: tensors pass as pointers, floats as double, ints as int64, ``None`` as a null pointer.

    The first call of a kernel fixes the types of its parameters.
    """
    kernel = getattr(library(), name)
    if kernel.argtypes is None:
        kernel.argtypes = [_parameter(value) for value in arguments]
        kernel.restype = None
    kernel(*[value.data_ptr() if isinstance(value, Tensor) else value for value in arguments])
