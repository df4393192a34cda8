import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aoqlab.lab.training.evaluate import evaluate, reestimate_batch_norm


def batches(n=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [(torch.randn(7, 3, 4, 4, generator=g), torch.randint(0, 4, (7,), generator=g)) for _ in range(n)]


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(20, 4)
    )


@torch.no_grad()
def test_loss_and_accuracy_are_means_over_images():
    model, data = net().eval(), [*batches(), (torch.randn(2, 3, 4, 4), torch.tensor([0, 1]))]
    images, labels = torch.cat([x for x, _ in data]), torch.cat([y for _, y in data])
    loss, accuracy = evaluate(model, data)
    assert loss == pytest.approx(float(F.cross_entropy(model(images), labels)), rel=1e-6)
    assert accuracy == float((model(images).argmax(1) == labels).double().mean())


def test_the_mode_is_put_back():
    model = net().train()
    evaluate(model, batches())
    assert all(m.training for m in model.modules())


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="no batch"):
        evaluate(net(), [])


def test_batch_norm_takes_the_average_over_the_batches():
    model, data = net(), batches()
    before = {k: v.clone() for k, v in model.state_dict().items() if "running" not in k and "tracked" not in k}
    assert reestimate_batch_norm(model, data) == 1
    outputs = [model[0](x) for x, _ in data]
    norm = model[1]
    expected = torch.stack([o.mean((0, 2, 3)) for o in outputs]).mean(0)
    torch.testing.assert_close(norm.running_mean, expected, rtol=1e-4, atol=1e-6)
    expected = torch.stack([o.transpose(0, 1).flatten(1).var(1) for o in outputs]).mean(0)
    torch.testing.assert_close(norm.running_var, expected, rtol=1e-4, atol=1e-6)
    assert norm.momentum == 0.1
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in before.items())
    assert all(m.training for m in model.modules())


def test_dropout_stays_off_meanwhile():
    model, seen = net(), []
    model[3].register_forward_hook(lambda m, i, o: seen.append(torch.equal(i[0], o)))
    reestimate_batch_norm(model, batches())
    assert seen and all(seen)


def test_without_batch_norm_there_is_nothing_to_measure():
    assert reestimate_batch_norm(nn.Linear(2, 2), iter([None])) == 0
