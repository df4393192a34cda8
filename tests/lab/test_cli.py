import subprocess
import sys
from types import SimpleNamespace

import pytest

import aoqlab
from aoqlab.lab.cli import checkout
from aoqlab.lab.cli import commands as cli
from aoqlab.lab.cli.checkout import IN_PROCESSES


@pytest.fixture
def calls(monkeypatch):
    """What the command hands over, in place of the studies themselves."""
    calls = []
    first_look = SimpleNamespace(main=lambda: calls.append("main"), toy=lambda full: calls.append(("toy", full)))
    monkeypatch.setitem(sys.modules, "aoqlab.lab.claims.first_look", first_look)
    digits = SimpleNamespace(write_weights=lambda: calls.append("digits") or 3)
    monkeypatch.setitem(sys.modules, "aoqlab.lab.training.digits_weights", digits)
    training = SimpleNamespace(
        add_options=lambda parser: parser.add_argument("words", nargs="*"),
        train=lambda options: calls.append(("train", options.words)) or 4,
        resume=lambda name: calls.append(("resume", name)) or 4,
        show_runs=lambda: calls.append("runs") or 4,
    )
    monkeypatch.setitem(sys.modules, "aoqlab.lab.cli.training", training)
    return calls


@pytest.fixture
def started(monkeypatch):
    """The commands that are started; one whose first word is in `fails` ends with an error."""
    started = SimpleNamespace(commands=[], fails=())

    def run(command, *, cwd, check, env=None):
        assert command[:2] in ([sys.executable, "-m"], ["npm", "run"])
        assert not check
        started.commands.append(command[2:])
        started.cwd, started.env = cwd, env
        return SimpleNamespace(returncode=int(command[2] in started.fails))

    monkeypatch.setattr(subprocess, "run", run)
    return started


@pytest.fixture
def root(monkeypatch, tmp_path):
    """An empty checkout."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    monkeypatch.setenv("CI", "")
    monkeypatch.setattr("shutil.which", lambda name: None)  # as without npm
    return tmp_path


@pytest.mark.parametrize(
    ("words", "call"), [([], "main"), (["toy"], ("toy", False)), (["toy", "--full"], ("toy", True))]
)
def test_a_study_is_called_and_its_silence_is_success(calls, words, call):
    assert cli.main(words) == 0
    assert calls == [call]


def test_the_status_of_a_command_is_passed_on(calls):
    assert cli.main(["digits"]) == 3
    assert calls == ["digits"]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["resnet20", "2", "True"], ("train", ["resnet20", "2", "True"])),
        (["train", "resnet20", "two"], ("train", ["resnet20", "two"])),
        (["train"], ("train", [])),
        (["resume", "mine"], ("resume", "mine")),
        (["runs"], "runs"),
    ],
)
def test_training_gets_the_words_that_are_its_own(calls, words, call):
    assert cli.main(words) == 4
    assert calls == [call]


@pytest.mark.parametrize(
    ("words", "said"), [(["resume"], "arguments are required: NAME"), (["resume", "a", "b"], "unknown word 'b'")]
)
def test_one_run_is_resumed_at_a_time(capsys, calls, words, said):
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize("words", [["resnet20"], ["resnet20", "two", "1"], ["vgg", "--bits", "2"]])
def test_half_a_training_command_is_shown_the_whole_one(capsys, calls, words):
    assert cli.main(words) == 2
    assert "training is ARCH N_BITS QUANTIZE_DOWNSAMPLING" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize(("typo", "meant"), [("tset", "test"), ("digit", "digits"), ("Toy", "toy"), ("labs", "lab")])
def test_a_mistyped_command_is_answered_with_the_nearest(capsys, calls, typo, meant):
    assert cli.main([typo]) == 2
    assert f"unknown command '{typo}', did you mean '{meant}'?" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize("words", [["--frob"], ["toy", "--fu"], ["digits", "5"], ["--", "toy"]])
def test_unknown_options_are_refused_in_one_line(capsys, calls, words):
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("aoqlab: ")
    assert calls == []


def test_help_names_every_command_and_training(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for word in (*cli.COMMANDS, "--full", "ARCH N_BITS QUANTIZE_DOWNSAMPLING", "--version"):
        assert word in text


@pytest.mark.parametrize("command", sorted(cli.COMMANDS.keys() - {"train"}))  # whose help is tested with it
def test_every_command_has_its_own_help(capsys, command):
    assert cli.main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: aoqlab {command} ")


def test_help_loads_nothing_heavy():
    heavy = ("torch", "numpy", "pandas", "matplotlib", "ipywidgets", "torchvision", "timm")
    code = (
        "import sys; from aoqlab.lab.cli.commands import main\n"
        "try: main(['--help'])\n"
        f"finally: print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_python_dash_m_runs_the_same_command():
    command = [sys.executable, "-m", "aoqlab", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"aoqlab {aoqlab.__version__}"


def test_all_checks_run_and_pass_on_the_arguments(root, started, capsys):
    for name in ("02_b.ipynb", "01_a.ipynb"):
        (root / "notebooks" / name).touch()
    assert cli.main(["test", "-k", "paths", "--version"]) == 0
    assert [command[0] for command in started.commands] == ["ruff", "ruff", "mypy", "nbstripout", "pytest"]
    assert started.commands[3][-2:] == ["notebooks/01_a.ipynb", "notebooks/02_b.ipynb"]
    assert started.commands[4] == ["pytest", "-k", "paths", "--version"]
    assert started.cwd == root
    assert "== passed: ruff check, ruff format, mypy, nbstripout, pytest" in capsys.readouterr().out


@pytest.mark.parametrize(("fails", "said"), [("mypy", "mypy"), ("pytest", "pytest, pytest in a browser")])
def test_a_failure_stops_no_later_check(root, started, capsys, fails, said):
    (root / "tests" / "browser").mkdir()
    started.fails = (fails,)
    assert cli.main(["test"]) == 1
    assert started.commands[-1][-1] == "tests/browser"
    assert capsys.readouterr().out.splitlines()[-1] == f"== failed: {said}"


@pytest.mark.parametrize(("npm", "ci", "runs"), [("npm", "", True), (None, "true", True), (None, "", False)])
def test_javascript_is_checked_and_left_out_aloud_where_npm_is_missing(
    root, started, capsys, monkeypatch, npm, ci, runs
):
    monkeypatch.setattr("shutil.which", lambda name: npm)
    monkeypatch.setenv("CI", ci)
    assert cli.main(["test"]) == 0
    assert (["check"] in started.commands) == runs
    assert ("javascript: left out" in capsys.readouterr().out) != runs


def test_nbstripout_is_not_started_without_a_notebook(root, started):
    assert cli.main(["test"]) == 0
    assert "nbstripout" not in [command[0] for command in started.commands]


def test_all_tests_run_in_some_processes_and_those_in_a_browser_apart(root, started, capsys):
    (root / "tests" / "browser").mkdir()
    assert cli.main(["test"]) == 0
    rest, browser = started.commands[-2:]
    assert rest == ["pytest", *IN_PROCESSES, "--ignore=tests/browser"]
    assert browser == ["pytest", *IN_PROCESSES, "tests/browser"]
    assert capsys.readouterr().out.splitlines()[-1].endswith("pytest, pytest in a browser")


def test_a_part_of_the_tests_is_one_run_of_pytest_as_asked_for(root, started):
    (root / "tests" / "browser").mkdir()
    assert cli.main(["test", "tests/browser"]) == 0
    assert started.commands[-1] == ["pytest", "tests/browser"]


def test_the_sanitized_kernels_are_tested_alone(root, started, monkeypatch):
    monkeypatch.setattr(checkout.subprocess, "check_output", lambda command, text: f"/lib/{command[1][17:]}\n")
    monkeypatch.setattr(checkout.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert cli.main(["test", "--sanitize"]) == 0
    assert [command[:4] for command in started.commands] == [["pytest", *checkout.SANITIZED]]
    assert started.env["LD_PRELOAD"] == "/lib/libasan.so /lib/libubsan.so"
    assert "-fsanitize=address,undefined" in started.env["AOQLAB_CXXFLAGS"]


@pytest.mark.parametrize("words", [["test"], ["lab"], ["bench"], ["docs"]])
def test_commands_that_need_a_checkout_say_so_without_one(monkeypatch, tmp_path, capsys, started, words):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    assert cli.main(words) == 2
    assert "needs a checkout" in capsys.readouterr().err
    assert started.commands == []


@pytest.mark.parametrize(
    ("present", "opened"),
    [
        ((), None),
        (("01_quantizer.ipynb", "02_landscape.ipynb"), "01_quantizer.ipynb"),
        (("00_overview.ipynb", "01_quantizer.ipynb"), "00_overview.ipynb"),
    ],
)
def test_lab_stays_on_this_machine_and_opens_the_first_notebook(monkeypatch, root, present, opened):
    for name in present:
        (root / "notebooks" / name).touch()

    class Replaced(Exception):
        """Stands for the end of this process, which Jupyter's takes the place of."""

    def execv(program, arguments):
        raise Replaced(arguments)

    monkeypatch.chdir(root)  # the command goes elsewhere; this brings the tests back
    monkeypatch.setattr("os.execv", execv)
    with pytest.raises(Replaced) as replaced:
        cli.main(["lab", "--no-browser"])
    (arguments,) = replaced.value.args
    assert "--ServerApp.ip=127.0.0.1" in arguments
    assert f"--ServerApp.root_dir={root / 'notebooks'}" in arguments
    assert not any("token=" in argument.lower() for argument in arguments)  # others can read a command line
    pages = [argument for argument in arguments if "default_url" in argument]
    assert pages == ([f"--LabApp.default_url=/lab/tree/{opened}"] if opened else [])
    assert arguments[-1] == "--no-browser"


@pytest.mark.parametrize(
    "word", ["--ip=0.0.0.0", "--ServerApp.ip=::", "--IdentityProvider.token=", "--ServerApp.allow_origin=*", "--ip"]
)
def test_lab_does_not_open_itself_to_others(monkeypatch, root, capsys, word):
    monkeypatch.setattr("os.execv", lambda *_: pytest.fail("Jupyter was started"))
    assert cli.main(["lab", "--no-browser", word]) == 2
    assert f"takes no {word};" in capsys.readouterr().err


def test_jupyters_configuration_does_not_choose_the_token():
    from traitlets.config import Config

    from aoqlab.lab.cli.identity import RandomToken

    config = Config(IdentityProvider={"token": ""}, RandomToken={"token": ""})
    provider = RandomToken(config=config)
    provider.token = ""  # as the server does with its own deprecated setting
    assert len(provider.token) == 48
    assert provider.token_generated and provider.auth_enabled


@pytest.fixture
def benchmarks(monkeypatch, root):
    (root / "benchmarks").mkdir()
    for name in ("quantizers", "toy", "_common"):
        (root / "benchmarks" / f"{name}.py").write_text(f"import sys\nprint({name!r}, __name__, sys.argv[1:])\n")
    monkeypatch.setattr(sys, "argv", ["aoqlab"])


def test_one_benchmark_runs_as_a_script_with_its_arguments(benchmarks, capsys):
    assert cli.main(["bench", "toy", "--quick"]) == 0
    assert capsys.readouterr().out == "toy __main__ ['--quick']\n"


def test_without_a_name_all_benchmarks_run(benchmarks, capsys):
    assert cli.main(["bench"]) == 0
    assert capsys.readouterr().out == "quantizers __main__ []\ntoy __main__ []\n"


def test_an_unknown_benchmark_is_answered_with_those_there_are(benchmarks, capsys):
    assert cli.main(["bench", "speed"]) == 2
    assert "there are: quantizers, toy" in capsys.readouterr().err
