"""Each case needs a fresh interpreter, because an operator once defined and a module once imported stay."""

import subprocess
import sys
import textwrap

# An empty torchvision in front of the real one; its compiled library is whatever a test puts there.
FAKE_TORCHVISION = """
    import pathlib, sys, sysconfig, tempfile
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    def give_it_a_library(content):
        (folder / "torchvision" / ("_C" + sysconfig.get_config_var("EXT_SUFFIX"))).write_bytes(content)
"""


def run(*parts):
    """Run the code with warnings as errors and return what it printed; nothing may appear on stderr."""
    code = "\n".join(textwrap.dedent(part) for part in parts)
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_importing_aoqlab_imports_neither_torch_nor_torchvision():
    assert run("import aoqlab, sys; print('torch' in sys.modules, 'torchvision' in sys.modules)") == ["False"] * 2


def test_a_timm_model_and_a_torchvision_transform_run_silently():
    printed = run("""
        import aoqlab, timm, torch, torchvision
        model = timm.create_model("resnet10t", num_classes=3, in_chans=1).eval()
        flip = torchvision.transforms.RandomHorizontalFlip(p=1)
        print(*model(flip(torch.rand(1, 1, 32, 32))).shape)
        print(torchvision.models.resnet18(num_classes=2)(torch.rand(2, 3, 32, 32)).shape[1])
    """)
    assert printed == ["1", "3", "2"]


def test_a_missing_kernel_is_a_clear_error_and_no_wrong_number():
    # Where the compiled library does load, the same call gives the one box it should.
    printed = run("""
        import aoqlab, torch, torchvision
        try:
            print(torchvision.ops.nms(torch.tensor([[0., 0, 1, 1]]), torch.tensor([1.]), 0.5).tolist())
        except RuntimeError as error:
            print("custom C++ ops" in str(error))
    """)
    assert printed in (["[0]"], ["True"])


def test_the_schemas_are_defined_only_once_torchvision_is_imported_and_then_stay():
    printed = run("""
        import gc, sys
        import aoqlab, torch
        from aoqlab import _torchvision
        before = len(sys.meta_path)
        _torchvision.mend()
        print(len(sys.meta_path) - before, hasattr(torch.ops.torchvision, "nms"))
        import torchvision
        gc.collect()
        print(len(sys.meta_path) - before, hasattr(torch.ops.torchvision, "nms"))
        _torchvision.mend()
        print(len(sys.meta_path) - before)
    """)
    assert printed == ["0", "False", "-1", "True", "-1"]


def test_nothing_is_defined_when_the_compiled_library_loads():
    printed = run(
        FAKE_TORCHVISION,
        """
        import _ctypes  # an extension that is sure to load
        give_it_a_library(pathlib.Path(_ctypes.__file__).read_bytes())
        import aoqlab, torch, torchvision
        from aoqlab import _torchvision
        print(hasattr(torch.ops.torchvision, "nms"), _torchvision._libraries)
        """,
    )
    assert printed == ["False", "[]"]


def test_the_schemas_are_defined_when_the_compiled_library_is_damaged_or_missing():
    for content in (b"no library", None):
        printed = run(
            FAKE_TORCHVISION,
            f"""
            content = {content!r}
            if content is not None: give_it_a_library(content)
            import aoqlab, torch, torchvision
            print(hasattr(torch.ops.torchvision, "nms"), hasattr(torch.ops.torchvision, "qnms"))
            """,
        )
        assert printed == ["True", "True"]


def test_schemas_that_somebody_else_defined_are_left_alone():
    printed = run(
        FAKE_TORCHVISION,
        """
        import torch
        other = torch.library.Library("torchvision", "DEF")
        other.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import aoqlab, torchvision
        print(hasattr(torch.ops.torchvision, "qnms"), hasattr(torch.ops.torchvision, "nms"))
        """,
    )
    assert printed == ["True", "True"]


def test_without_torchvision_nothing_happens():
    printed = run("""
        import importlib.machinery, sys
        import aoqlab
        from aoqlab import _torchvision
        # as if it were not installed
        real = importlib.machinery.PathFinder.find_spec
        hide = lambda name, *rest: None if name == "torchvision" else real(name, *rest)
        importlib.machinery.PathFinder.find_spec = hide
        try:
            import torchvision
        except ModuleNotFoundError:
            print(_torchvision._libraries, "torch" in sys.modules)
    """)
    assert printed == ["[]", "False"]
