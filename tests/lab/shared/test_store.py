"""One store: entries come back as written, and damaged ones are made again."""

from __future__ import annotations

import math

import pytest
import torch

from aoqlab.lab.shared.files import DamagedError, DamagedWarning
from aoqlab.lab.shared.store import NotKeptWarning, Store, read_entry, tensor_bytes, write_entry

CONTENT = bytes(range(256)) * 3  # line ends and zeros among them
ABOUT = {"error": 0.1, "infinite": math.inf, "text": "one\ntwo"}


def test_an_entry_comes_back_as_written(tmp_path):
    store = Store(tmp_path / "new")
    assert store.read("a") is None
    store.write("a", CONTENT, ABOUT)
    entry = store.read("a")
    assert entry.content == CONTENT and entry.about == ABOUT
    store.write("a", b"")
    assert store.read("a").content == b"" and store.read("a").about == {}


@pytest.mark.parametrize("place", [0, 30, 64, 70, 150, -1])
def test_every_changed_byte_is_noticed(tmp_path, place):
    path = write_entry(tmp_path / "a", CONTENT, ABOUT)
    changed = bytearray(path.read_bytes())
    changed[place] ^= 1
    path.write_bytes(changed)
    with pytest.raises(DamagedError, match="truncated or damaged"):
        read_entry(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"{}", b"x" * 99, b"\xff\n\xff"])
def test_a_foreign_or_truncated_file_counts_as_absent(tmp_path, content):
    store = Store(tmp_path)
    store.write("a", CONTENT, ABOUT)
    store.path("a").write_bytes(store.path("a").read_bytes()[:-1])
    with pytest.warns(DamagedWarning, match=r"a\.entry is truncated or damaged; it is made again"):
        assert store.read("a") is None
    store.path("a").write_bytes(content)
    with pytest.warns(DamagedWarning):
        assert store.read("a") is None


def test_tensors_are_made_once_and_again_when_damaged(tmp_path):
    store, made = Store(tmp_path), []

    def make():
        made.append(1)
        return {"w": torch.arange(6, dtype=torch.float64).view(2, 3).t(), "empty": torch.empty(0)}

    first, second = store.tensors("a", make), store.tensors("a", make)
    assert len(made) == 1 and first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) and first[name].dtype == second[name].dtype for name in first)
    store.path("a").write_bytes(b"")
    with pytest.warns(DamagedWarning):
        store.tensors("a", make)
    assert len(made) == 2 and torch.equal(store.tensors("a", make)["w"], first["w"])


def test_an_entry_can_replace_others(tmp_path):
    store = Store(tmp_path)
    for key in ("a-old-1", "a-old-2", "b-old-1"):
        store.write(key, b"")
    store.tensors("a-old-3", lambda: {"w": torch.zeros(1)}, replaces="a-old-*")
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a-old-3", "b-old-1"]


def test_what_cannot_be_kept_is_returned_with_a_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(NotKeptWarning, match="not kept"):
        made = Store(tmp_path / "file").tensors("a", lambda: {"w": torch.ones(2)})
    assert torch.equal(made["w"], torch.ones(2))


def test_other_content_is_no_tensors(tmp_path):
    with pytest.raises(DamagedError, match="no tensors"):
        read_entry(write_entry(tmp_path / "a", b"hello")).tensors()


def test_tensors_may_share_memory(tmp_path):
    weight = torch.rand(3, 4)
    back = read_entry(write_entry(tmp_path / "a", tensor_bytes({"a": weight, "b": weight, "row": weight[1]}))).tensors()
    assert torch.equal(back["a"], weight) and torch.equal(back["b"], weight) and torch.equal(back["row"], weight[1])
