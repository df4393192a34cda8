import os

import pytest
import torch
from torch import nn

from aoqlab.lab.shared import files
from aoqlab.lab.shared.files import NotWrittenError
from aoqlab.lab.shared.store import write_entry
from aoqlab.lab.training import checkpoint as checkpoints
from aoqlab.lab.training.checkpoint import Checkpoint, CheckpointError, CheckpointWarning


def one(step=1, digest="d", value=0.0):
    model = {"model.weight": torch.full((2, 3), value), "model.bias": torch.arange(2)}
    tensors = {**model, "sums": torch.ones(3, dtype=torch.float64)}
    return Checkpoint(step, tensors, {"digest": digest, "metrics": [{"a": 0.1}]})


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


def test_it_comes_back_unchanged(tmp_path):
    checkpoints.save(tmp_path, one(7, value=0.1))
    back = checkpoints.load_newest(tmp_path, "d")
    assert back.step == 7
    assert same(back.tensors, one(value=0.1).tensors)
    assert back.meta["metrics"] == [{"a": 0.1}]


def test_the_newest_and_the_one_before_are_kept(tmp_path):
    for step in (9, 10, 100, 1000):
        checkpoints.save(tmp_path, one(step))
    assert [p.name for p in checkpoints.saved(tmp_path)] == ["checkpoint-00001000", "checkpoint-00000100"]
    assert not list(tmp_path.glob(".*"))


def test_foreign_files_push_out_nothing(tmp_path):
    foreign = ["checkpoint-old1", "checkpoint-99999999", "checkpoint-000000001", "checkpoint-0000002", "checkpoint-x"]
    for name in foreign:
        (tmp_path / name).mkdir()
    foreign.append("checkpoint-00000002.bak")
    (tmp_path / foreign[-1]).touch()
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, one(step))
    whole = [path.name for path in checkpoints.saved(tmp_path) if path.is_file()]
    assert whole == ["checkpoint-00000003", "checkpoint-00000002"]
    assert all((tmp_path / name).exists() for name in foreign)


def test_a_later_one_that_was_refused_does_not_count(tmp_path):
    (tmp_path / "checkpoint-00000009").write_bytes(b"damaged")
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, one(step))
    (tmp_path / "checkpoint-00000003").write_bytes(b"damaged")
    with pytest.warns(CheckpointWarning):
        assert checkpoints.load_newest(tmp_path, "d").step == 2


def test_the_same_step_can_be_saved_again(tmp_path):
    checkpoints.save(tmp_path, one(5, value=1.0))
    checkpoints.save(tmp_path, one(5, value=2.0))
    assert float(checkpoints.load_newest(tmp_path, "d").tensors["model.weight"][0, 0]) == 2


def test_without_any_there_is_none(tmp_path):
    assert checkpoints.load_newest(tmp_path, "d") is None


@pytest.mark.parametrize("damage", ["truncate", "empty", "foreign", "garble", "folder"])
def test_a_damaged_one_is_refused_by_name_and_the_one_before_is_used(tmp_path, damage):
    checkpoints.save(tmp_path, one(1, value=1.0))
    newest = checkpoints.save(tmp_path, one(2, value=2.0))
    content = newest.read_bytes()
    if damage == "folder":
        newest.unlink()
        newest.mkdir()
    elif damage == "foreign":
        write_entry(newest, b"something", {"format": "another"})
    else:
        newest.write_bytes(
            {"truncate": content[:-5], "empty": b"", "garble": content[:-1] + bytes([content[-1] ^ 1])}[damage]
        )
    with pytest.warns(CheckpointWarning, match="checkpoint-00000002.*resuming from checkpoint-00000001"):
        back = checkpoints.load_newest(tmp_path, "d")
    assert back.step == 1


def test_one_of_other_settings_is_refused(tmp_path):
    checkpoints.save(tmp_path, one(1, digest="other"))
    with pytest.raises(CheckpointError, match="other settings"):
        checkpoints.load_newest(tmp_path, "d")


def test_a_pickle_is_not_even_opened(tmp_path):
    file = checkpoints.save(tmp_path, one(1))

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save(Trap(), file)
    with pytest.raises(CheckpointError, match=file.name):
        checkpoints.load_newest(tmp_path, "d")
    assert not (tmp_path / "executed").exists()


def test_a_full_disk_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, one(1))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(NotWrittenError, match="No space left"):
        checkpoints.save(tmp_path, one(2))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001"]


def test_an_optimizer_resumes_bit_for_bit():
    def fresh():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2)).to(memory_format=torch.channels_last)
        names = {p: n for n, p in net.named_parameters()}
        return net, names, torch.optim.Adam(net.parameters(), lr=0.1, fused=True)

    def step(net, optimizer, seed):
        x = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()

    net, names, optimizer = fresh()
    step(net, optimizer, 1)
    saved = {k: v.clone() for k, v in checkpoints.optimizer_state(optimizer, names).items()}
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    step(net, optimizer, 2)
    again, names, other = fresh()
    again.load_state_dict(weights)
    checkpoints.restore_optimizer(other, names, saved)
    step(again, other, 2)
    assert same(net.state_dict(), again.state_dict())
