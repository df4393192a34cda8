"""run.sh, with a stand-in for Python that makes a tiny environment at once and notes what it did."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aoqlab

ROOT = Path(aoqlab.__file__).resolve().parent.parent

# Makes a .venv whose python is this same stand-in. `pip install -e .` puts a command there that says what it
# was given; `pip` fails or dawdles when a file of that name asks for it. Everything else is for the real Python.
PYTHON = """\
#!/bin/sh
case "$*" in
  "-m venv "*)
    echo venv >>"$NOTES/log"
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *"pip install"*)
    [ -e "$NOTES/fail" ] && exit 1
    [ -e "$NOTES/kill" ] && kill -9 $PPID
    [ -e "$NOTES/slow" ] && sleep 1
    case "$*" in
      *"-r requirements.lock") echo requirements >>"$NOTES/log" ;;
      *"--no-deps --no-build-isolation -e .")
        echo editable >>"$NOTES/log"
        venv=$(dirname "$0")
        printf '#!/bin/sh\\necho "$AOQLAB_ROOT|$PWD|$*"\\nexit 7\\n' >"$venv/aoqlab"
        chmod +x "$venv/aoqlab" ;;
      *) exit 99 ;;
    esac ;;
  *torchvision_repair) echo repaired >>"$NOTES/log" ;;
  *) exec "$REAL_PYTHON" "$@" ;;
esac
"""
BUILD = ["venv", "requirements", "editable", "repaired"]


class Checkout:
    """A folder with run.sh in it."""

    def __init__(self, folder):
        self.folder = folder / "check out"  # a blank, because paths have them
        self.notes = folder / "notes"
        self.programs = folder / "programs"
        for made in (self.folder, self.notes, self.programs):
            made.mkdir()
        for name in ("run.sh", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder)
        self.add_python("python3", PYTHON)
        self.venv = self.folder / ".venv"
        self.stamp = self.venv / "aoqlab-stamp"

    def add_python(self, name, content):
        program = self.programs / name
        program.write_text(content)
        program.chmod(0o755)

    def start(self, *words, path="/usr/bin:/bin", cwd="/"):
        names = {"PATH": f"{self.programs}:{path}", "NOTES": str(self.notes), "REAL_PYTHON": sys.executable}
        command = ["bash", str(self.folder / "run.sh"), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=cwd, env=os.environ | names, stdout=pipe, stderr=pipe, text=True)

    def run(self, *words, **how):
        process = self.start(*words, **how)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def log(self):
        """What was built since the last call."""
        log = self.notes / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def built(checkout):
    assert checkout.run().returncode == 7
    assert checkout.log() == BUILD
    return checkout


def test_the_first_use_makes_the_environment_and_runs_the_command(checkout):
    done = checkout.run("toy", "--full", "two words")
    assert checkout.log() == BUILD
    assert done.stdout == f"{checkout.folder}|{checkout.folder}|toy --full two words\n"
    assert done.returncode == 7  # the command's own status
    assert done.stderr.splitlines()[0] == "First use: making the environment in .venv."
    assert checkout.stamp.is_file()


def test_a_complete_environment_is_used_at_once_and_silently(built, tmp_path):
    for cwd in ("/", tmp_path, built.folder):
        done = built.run("--help", cwd=cwd)
        assert (done.stdout, done.stderr) == (f"{built.folder}|{built.folder}|--help\n", "")
    assert built.log() == []


def remove_the_stamp(checkout):
    checkout.stamp.unlink()


def change_the_stamp(checkout):
    checkout.stamp.write_text(checkout.stamp.read_text() + "x\n")


def remove_the_interpreter(checkout):
    (checkout.venv / "bin" / "python").unlink()


def break_the_interpreter(checkout):
    (checkout.venv / "bin" / "python").write_text("#!/nowhere/python\n")


def leave_a_dangling_interpreter(checkout):
    (checkout.venv / "bin" / "python").unlink()
    (checkout.venv / "bin" / "python").symlink_to("/nowhere/python3.11")


def update_the_interpreter(checkout):
    (checkout.venv / "bin" / "python").write_text('#!/bin/sh\necho "3.99.0 (a newer Python)"\n')


def remove_the_command(checkout):
    (checkout.venv / "bin" / "aoqlab").unlink()


def change_the_lock_file(checkout):
    with (checkout.folder / "requirements.lock").open("a") as lock:
        lock.write("zzz==1\n")


def change_the_project_file(checkout):
    with (checkout.folder / "pyproject.toml").open("a") as project:
        project.write("\n")


def replace_the_environment_by_a_file(checkout):
    shutil.rmtree(checkout.venv)
    checkout.venv.touch()


@pytest.mark.parametrize(
    "spoil",
    [
        remove_the_stamp,
        change_the_stamp,
        remove_the_interpreter,
        break_the_interpreter,
        leave_a_dangling_interpreter,
        update_the_interpreter,
        remove_the_command,
        change_the_lock_file,
        change_the_project_file,
        replace_the_environment_by_a_file,
    ],
)
def test_an_environment_that_was_changed_is_made_again(built, spoil):
    spoil(built)
    if built.venv.is_dir():
        (built.venv / "left-over").touch()
    done = built.run()
    assert built.log() == BUILD
    assert done.returncode == 7
    assert done.stderr.splitlines()[0] == (
        "The environment in .venv is incomplete, broken or out of date: making it again."
    )
    assert not (built.venv / "left-over").exists()
    assert built.run().stderr == ""


def test_a_checkout_that_was_moved_makes_its_environment_again(built):
    # A venv's scripts hold its absolute path.
    built.folder = built.folder.rename(built.folder.with_name("moved"))
    done = built.run()
    assert built.log() == BUILD
    assert done.stdout.startswith(f"{built.folder}|")


@pytest.mark.parametrize("how", ["fail", "kill"])
def test_an_install_that_ends_early_leaves_no_stamp_and_the_next_one_repairs_it(checkout, how):
    (checkout.notes / how).touch()
    done = checkout.run()
    assert done.returncode != 0
    assert done.stdout == ""  # the command did not run
    assert checkout.venv.exists()
    assert not checkout.stamp.exists()
    (checkout.notes / how).unlink()
    checkout.log()
    assert checkout.run().returncode == 7
    assert checkout.log() == BUILD


def test_two_first_uses_at_once_build_once_and_both_run(checkout):
    (checkout.notes / "slow").touch()
    both = [checkout.start("one"), checkout.start("two")]
    answers = [process.communicate(timeout=60) for process in both]
    assert [out.split("|")[-1] for out, _ in answers] == ["one\n", "two\n"]
    assert checkout.log() == BUILD
    waited = ["waiting for it" in err for _, err in answers]
    assert sorted(waited) == [False, True]


def only_these_tools(checkout):
    """A PATH with what run.sh itself needs and no Python."""
    tools = checkout.notes / "tools"
    tools.mkdir()
    for name in ("bash", "cat", "cksum", "cp", "dirname", "env", "grep", "mkdir", "mv", "rm", "sh", "chmod"):
        (tools / name).symlink_to(shutil.which(name))
    return str(tools)


def test_an_old_python3_is_passed_over_for_a_newer_one(checkout):
    checkout.add_python("python3", "#!/bin/sh\nexit 1\n")
    checkout.add_python("python3.12", PYTHON)
    assert checkout.run(path=only_these_tools(checkout)).returncode == 7
    assert checkout.log() == BUILD


def test_without_a_new_enough_python_there_is_one_clear_error(checkout):
    checkout.add_python("python3", "#!/bin/sh\nexit 1\n")
    done = checkout.run(path=only_these_tools(checkout))
    assert done.returncode == 1
    assert done.stderr == "aoqlab needs Python 3.11 or newer, and none was found on PATH.\n"
    assert not checkout.venv.exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--help"], 0, "bash run.sh"),
        (["tset"], 2, "did you mean 'test'?"),
        (["resnet20", "1", "True"], 2, "bits must be an integer from 2 to 8, got 1"),
    ],
)
def test_the_real_command_answers_through_run_sh(built, words, status, said):
    (built.venv / "bin" / "aoqlab").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aoqlab "$@"\n')
    done = built.run(*words)
    assert done.returncode == status
    assert said in done.stdout + done.stderr
