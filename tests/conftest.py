import inspect
import os
from contextlib import contextmanager
from importlib import util
from pathlib import Path

import jaxtyping
import pytest

# Tests in several processes have one core each; two OpenMP threads there would wait for each other's core. Set before
# torch is imported, here and in what a test starts.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from hypothesis import settings

# Fixtures import aoqlab, not this file: older releases of jaxtyping refuse to check what was imported before them.

# The same examples in every run; the first one may compile the kernels, so none has a deadline.
settings.register_profile("aoqlab", deadline=None, database=None, derandomize=True, max_examples=40)
settings.load_profile("aoqlab")


@pytest.fixture
def as_shipped(monkeypatch):
    """Annotations are not checked, as outside of pytest: errors are those a user sees, Dynamo can trace."""
    from aoqlab import ste
    from aoqlab.quantizers import shifted

    for function in (
        ste._AOQ,
        ste._LSQ,
        ste._LTQ,
        shifted._Add,
    ):  # here Dynamo does not get through the wrappers of the check
        for name in ("forward", "setup_context", "backward"):
            monkeypatch.setattr(function, name, staticmethod(inspect.unwrap(getattr(function, name))))
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def without_kernels():
    """A context in which the compiled kernels do not exist."""

    @contextmanager
    def context():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("aoqlab.kernels.native.available", lambda *_: False)
            yield

    return context


@pytest.fixture(scope="session")
def kernels():
    """Skips where the machine cannot compile them."""
    from aoqlab.kernels import native

    if native.library() is None:
        pytest.skip("no compiled kernels on this machine")


@pytest.fixture(params=["native", "eager"])
def path(request, without_kernels):
    """Runs a test twice: through the compiled kernels and through their eager twin."""
    if request.param == "native":
        request.getfixturevalue("kernels")
        yield "native"
    else:
        with without_kernels():
            yield "eager"


@pytest.fixture
def threads():
    """Sets the number of threads for the rest of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def own_quantizers():
    """The module of quantizers that are no part of the package."""
    return _module("own_quantizers")


@pytest.fixture(scope="session")
def readouts():
    """A function that gives the numbers which an interval explorer shows, from every weight."""
    return _module("exact_readouts").readouts


def _module(name):
    spec = util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
