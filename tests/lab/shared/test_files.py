import errno
import os

import pytest

from aoqlab.lab.shared import files
from aoqlab.lab.shared.files import NotWrittenError, write_all_atomic, write_atomic


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def listing(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_bytes_and_writers_write(tmp_path):
    assert write_atomic(tmp_path / "new" / "a.bin", b"one").read_bytes() == b"one"
    path = write_atomic(str(tmp_path / "b.txt"), lambda p: p.write_text("two", encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == "two"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.bin"]


def test_a_writer_sees_a_path_with_the_same_suffix_in_the_same_folder(tmp_path):
    seen = []
    write_atomic(tmp_path / "t.parquet", lambda p: (seen.append(p), p.touch()))
    assert (seen[0].suffix, seen[0].parent) == (".parquet", tmp_path)


def test_an_older_file_is_replaced(tmp_path):
    path = tmp_path / "a"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert listing(tmp_path) == {"a": b"new"}


def half_then(error):
    def writer(path):
        path.write_bytes(b"half")
        raise error

    return writer


def test_a_full_disk_leaves_what_was_there(tmp_path):
    write_atomic(tmp_path / "a", b"old")
    with pytest.raises(NotWrittenError, match=r"a \(No space left.*nothing was changed") as caught:
        write_atomic(tmp_path / "a", half_then(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    assert caught.value.errno == errno.ENOSPC
    assert listing(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("error", [ValueError("bad table"), KeyboardInterrupt()])
def test_other_errors_come_through_and_leave_nothing(tmp_path, error):
    with pytest.raises(type(error)):
        write_atomic(tmp_path / "a", half_then(error))
    assert not listing(tmp_path)


def test_a_failed_sync_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(NotWrittenError):
        write_all_atomic({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert not listing(tmp_path)


def test_the_last_of_several_fails_and_none_is_written(tmp_path):
    write_atomic(tmp_path / "a", b"old")
    with pytest.raises(NotWrittenError):
        write_all_atomic({tmp_path / "a": b"new", tmp_path / "b": b"new", tmp_path / "c": no_space})
    assert listing(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize(("fails", "new"), [("a", ""), ("b", "a"), ("c", "ab")])
def test_a_failed_rename_leaves_whole_files_and_is_named(tmp_path, monkeypatch, fails, new):
    for name in "abc":
        write_atomic(tmp_path / name, b"old")
    replace = os.replace

    def sometimes(source, target):
        if target == tmp_path / fails:
            no_space()
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", sometimes)
    with pytest.raises(NotWrittenError, match="written before that" if new else "nothing was changed") as caught:
        write_all_atomic({tmp_path / name: b"new" for name in "abc"})
    assert str(tmp_path / fails) in str(caught.value).partition(";")[0]
    assert listing(tmp_path) == {name: b"new" if name in new else b"old" for name in "abc"}


def test_every_file_is_synced_before_the_first_is_renamed(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (events.append("sync"), fsync(fd)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (events.append("rename"), replace(a, b)))
    write_all_atomic({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert events[:4] == ["sync", "sync", "rename", "rename"]


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(NotWrittenError, match="is a folder"):
        write_all_atomic({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert not listing(tmp_path)


def test_a_name_too_long_is_one_clear_error(tmp_path):
    with pytest.raises(NotWrittenError, match="too long"):
        write_atomic(tmp_path / ("x" * 300), b"1")
