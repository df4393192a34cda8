import ctypes
import os
import platform
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
import torch

from aoqlab.kernels import native
from aoqlab.kernels.native import NativeUnavailableWarning

build = native.library.__wrapped__  # without the memory of earlier calls


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of kernels."""
    monkeypatch.setenv("AOQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("AOQLAB_NATIVE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def filled(cache, kernels):
    """A cache that holds the kernels, copied rather than compiled again."""
    built = Path(native.library()._name)
    cache.mkdir()
    return Path(shutil.copy2(built, cache))


def files(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}


def fake_compiler(folder, script):
    path = folder / "c++"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"AOQLAB_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/aoqlab"),
        ({"XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/aoqlab"),
    ],
)
def test_the_cache_is_where_the_environment_says(variables, folder, monkeypatch):
    for name in ("AOQLAB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert native.cache_folder() == Path(folder)


def test_a_cached_library_is_used_unchanged(filled, cache, monkeypatch):
    monkeypatch.setattr(native, "_build", lambda *_: pytest.fail("compiled again"))
    before = files(cache)
    assert build()._name == str(filled)
    assert files(cache) == before


@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:-1], lambda b: b[:-1] + bytes([b[-1] ^ 1])],
    ids=["empty", "half", "one byte less", "one bit"],
)
def test_a_damaged_library_is_never_loaded(filled, damage, monkeypatch):
    content = filled.read_bytes()
    filled.unlink()  # it may be loaded here: never change it in place
    filled.write_bytes(damage(content))
    again = []

    def rebuilt(compiler, stem):
        again.append(stem)
        filled.write_bytes(content)
        return filled

    monkeypatch.setattr(native, "_build", rebuilt)
    assert isinstance(build(), ctypes.CDLL)
    assert len(again) == 1 and filled.stem.startswith(again[0])


def test_an_empty_cache_is_filled_with_a_library_that_is_found_again(cache, kernels):
    # Without optimisation, which is most of the time; part of the name, so that it is no one else's library.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "FLAGS", tuple(f for f in native.FLAGS if f != "-O3"))
        first = build()
        [path] = cache.iterdir()  # no temporary file is left
        assert path.read_bytes()[:4] == b"\x7fELF" or sys.platform != "linux"
        before = files(cache)
        assert build()._name == first._name == str(path) and files(cache) == before


def test_a_changed_compiler_or_source_has_a_library_of_its_own(filled, tmp_path, monkeypatch):
    stems = []

    def asked(compiler, stem):
        stems.append(stem)
        raise OSError("not now")

    monkeypatch.setattr(native, "_build", asked)
    source = tmp_path / "kernels"
    shutil.copytree(native.SOURCE.parent, source)
    with (source / "tracker.hpp").open("a") as file:
        file.write("// one more line\n")
    with pytest.MonkeyPatch.context() as patch, pytest.warns(NativeUnavailableWarning):
        patch.setattr(native, "SOURCE", source / "kernels.cpp")
        build()
    monkeypatch.setenv("CXX", fake_compiler(tmp_path, "exit 0"))
    with pytest.warns(NativeUnavailableWarning):
        build()
    assert len(set(stems)) == 2 and not any(filled.stem.startswith(stem) for stem in stems)


def test_a_broken_compiler_is_announced_with_its_own_words(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", fake_compiler(tmp_path, "echo 'no space left in my head' >&2; exit 1"))
    with pytest.warns(NativeUnavailableWarning, match="could not compile kernels.cpp: no space left in my head"):
        assert build() is None
    assert not list(cache.iterdir())  # nothing half-made


def test_a_compiler_that_makes_rubbish_is_announced(cache, tmp_path, monkeypatch):
    script = 'while [ "$1" != "-o" ]; do shift; done; echo rubbish > "$2"'
    monkeypatch.setenv("CXX", fake_compiler(tmp_path, script))
    with pytest.warns(NativeUnavailableWarning, match="runs without its compiled kernels"):
        assert build() is None


def test_a_cache_that_cannot_be_written_is_announced(tmp_path, monkeypatch, kernels):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AOQLAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(NativeUnavailableWarning, match="Not a directory"):
        assert build() is None


def test_switching_the_kernels_off_is_silent(cache, monkeypatch):
    monkeypatch.setenv("AOQLAB_NATIVE", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build() is None
    assert not cache.exists()


def test_only_float32_and_float64_of_one_kind_are_taken(kernels):
    single, double, half = (torch.ones(2, dtype=d) for d in (torch.float32, torch.float64, torch.bfloat16))
    assert native.usable(single, single) and native.usable(double)
    assert not native.usable(single, double) and not native.usable(half)
    assert not native.usable(torch.ones(2, device="meta"))


def test_small_tensors_take_one_thread(threads):
    threads(4)
    found = [native.threads_for(n) for n in (0, 1, 2 * native.GRAIN - 1, 3 * native.GRAIN, 10**9)]
    assert found == [1, 1, 1, 3, 4]


FAULTS = """
import resource, torch
from aoqlab.kernels import native
kept = native.keep_memory()
for _ in range(20):  # the C library needs a few before the holes fit
    torch.ones(4_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(4_000_000)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told to")
def test_kept_memory_is_used_again_without_page_faults():
    command = [sys.executable, "-c", FAULTS]
    kept, faults = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split()
    assert kept == "True" and int(faults) < 1000  # 20 times 3,907 pages without


def test_where_the_c_library_cannot_be_told_nothing_happens(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert native.keep_memory() is False


EXERCISE = """
import sys, warnings, torch
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    from aoqlab import AOQ, LSQ, LTQ, OscillationTracker
    from aoqlab.kernels import native
    x = torch.linspace(-4, 4, 1001)
    inputs = [x.clone().requires_grad_() for _ in range(3)]
    results = [q(3).init_from(x)(y) for q, y in zip((AOQ, LSQ, LTQ), inputs)]
    results += [torch.autograd.grad(sum(r.sum() for r in results), inputs)]
    tracker = OscillationTracker((1001,), 3)
    for scale in (1.0, 0.5, 2.0):
        tracker.update(AOQ(3).encode(x * scale))
    results += [tracker.state_dict()]
torch.save(results, sys.argv[1])
ours = [w for w in caught if issubclass(w.category, native.NativeUnavailableWarning)]
print(native.library() is not None, len(ours))
"""


def exercise(output, **environment):
    """Run everything in a fresh Python; returns (whether the kernels were there, number of warnings), the results."""
    environment = {k: v for k, v in os.environ.items() if k != "AOQLAB_NATIVE"} | environment
    command = [sys.executable, "-c", textwrap.dedent(EXERCISE), str(output)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return tuple(done.stdout.split()), torch.load(output, weights_only=True)


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        one, other = (list(r.values()) if isinstance(r, dict) else r for r in (one, other))
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)


def test_without_a_compiler_eager_code_gives_the_same_results(tmp_path, filled):
    found, expected = exercise(tmp_path / "native", AOQLAB_CACHE=str(filled.parent))
    assert found == ("True", "0")
    (tmp_path / "bin").mkdir()
    found, results = exercise(tmp_path / "eager", PATH=str(tmp_path / "bin"), CXX="")
    assert found == ("False", "1")
    assert_same(results, expected)


def test_a_truncated_library_is_rebuilt_without_harm(tmp_path, filled):
    # In a process of its own, because loading it would end in a bus error. The compiler only copies the whole library.
    whole = Path(shutil.copy(filled, tmp_path / "whole"))
    copier = fake_compiler(tmp_path, f'while [ "$1" != "-o" ]; do shift; done; cp {whole} "$2"')
    first, _ = exercise(tmp_path / "1", AOQLAB_CACHE=str(filled.parent), CXX=copier)
    [path] = [p for p in filled.parent.iterdir() if p != filled]
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    second, _ = exercise(tmp_path / "2", AOQLAB_CACHE=str(filled.parent), CXX=copier)
    assert first == second == ("True", "0") and path.read_bytes() == whole.read_bytes()
