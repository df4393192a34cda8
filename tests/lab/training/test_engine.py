"""One step at a time: what the loop does to weights, learning rates, stages and the tracker."""

import copy
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aoqlab.lab import datasets, methods, models
from aoqlab.lab.training.devices import compiled_or_eager, place_for
from aoqlab.lab.training.engine import Stopped, Trainer
from aoqlab.quantizers import AOQ
from aoqlab.surgery import quantize, weight_sites


@pytest.fixture
def make(small):
    def trainer(method="aoq", teacher=True, options=None, **changes):
        data = datasets.load("digits")
        config = small(method=method, **changes).resolved("digits", len(data.train), 8)
        torch.manual_seed(0)
        start = models.create("digits_cnn", in_chans=1, image_size=8)
        chosen, model = methods.get(method, **(options or {})), copy.deepcopy(start)
        if chosen.weights is not None:
            sample, _ = next(iter(data.train.batches(0, seed=0, batch_size=64, augment=False)))
            quantize(model, weights=chosen.weights(2), activations=chosen.activations(2), sample=sample)
        return Trainer(config, chosen, model, start if teacher else None, data, place_for(config))

    return trainer


def test_full_precision_is_the_plain_loop_of_torch(make):
    trainer = make("fp32", teacher=False, epochs=1)
    torch.manual_seed(0)
    net = models.create("digits_cnn", in_chans=1, image_size=8).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, fused=True)
    for step, (images, labels) in enumerate(trainer.data.train.batches(0, seed=0, batch_size=64)):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 - step / 21)
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
    list(trainer.epochs())
    expected = net.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in trainer.model.state_dict().items())


def test_distillation_needs_no_labels(make):
    trainer = make()
    images, labels = next(iter(trainer.data.train.batches(0, seed=0, batch_size=64)))
    logits = trainer.model(images)
    target = trainer.teacher(images).softmax(1)
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(trainer._task_loss(images, logits, (labels + 1) % 10), expected)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_labels_and_teacher_are_mixed_as_asked(make, share):
    trainer = make(hard_labels=share, label_smoothing=0.1)
    images, labels = next(iter(trainer.data.train.batches(0, seed=0, batch_size=64)))
    logits = trainer.model(images)
    hard = F.cross_entropy(logits, labels, label_smoothing=0.1)
    soft = -(trainer.teacher(images).softmax(1) * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(trainer._task_loss(images, logits, labels), share * hard + (1 - share) * soft)


def test_every_group_has_its_learning_rate_and_it_falls_to_zero(make):
    trainer = make(epochs=2, lr=0.01)
    seen = []
    trainer.advance = lambda _: seen.append([group["lr"] for group in trainer.optimizer.param_groups])
    list(trainer.epochs())
    assert seen[0] == [0.01, 0.01, pytest.approx(0.001)]
    assert seen[21][0] == pytest.approx(0.005)
    assert seen[-1][0] == pytest.approx(0.01 / 42)
    sizes = [sum(p.numel() for p in group["params"]) for group in trainer.optimizer.param_groups]
    assert sizes[1:] == [2, 2 * 5]  # an interval per layer; 3 widths and 2 scales of LTQ per layer
    assert sum(sizes) == sum(p.numel() for p in trainer.model.parameters())


def test_the_stages_follow_one_another_and_the_levels_rest_in_the_first(make):
    trainer = make(epochs=5)
    rows = []
    for row in trainer.epochs():
        intervals = [float(q.level_interval.detach()) for q in trainer.quantizers.values()]
        rows.append((row["stage"], intervals))
        assert all(isinstance(q, AOQ) for q in trainer.quantizers.values())
    assert [stage for stage, _ in rows] == ["shrink", "widen", "widen", "dampen", "dampen"]
    start = [float(q.threshold_interval) for q in trainer.quantizers.values()]
    assert rows[0][1] == start
    assert rows[1][1] != start


def test_the_tracker_sees_every_step_and_the_end(make):
    trainer = make(epochs=2)
    list(trainer.epochs())
    assert trainer.tracker.summary()["steps"] == 2 * 21 + 1
    codes = {name: site.codes() for name, site in weight_sites(trainer.model).items()}
    assert all(torch.equal(trainer.tracker.current[name], code) for name, code in codes.items())


@pytest.mark.parametrize("method", ["aoq", "lsq", "lsq+freeze", "statsq"])
def test_codes_of_all_layers_in_one_go_match_each_quantizer(make, method):
    trainer = make(method, epochs=1)
    assert (trainer.common_grid is not None) == (method != "lsq+freeze")
    list(trainer.epochs())
    for name, quantizer in trainer.quantizers.items():
        assert torch.equal(trainer.tracker.current[name], quantizer.encode(trainer.latents[name]))


def test_at_a_slower_cadence_it_sees_every_nth(make):
    trainer = make(epochs=2, track_every=7)
    list(trainer.epochs())
    assert trainer.tracker.summary()["steps"] == 42 // 7 + 1


def test_the_regulariser_is_part_of_the_gradient(make):
    strong, none = (make("lsq+dampen", options={"dampening": d, "begin": 0.0}, epochs=2) for d in (1e4, 0.0))
    for trainer in (strong, none):
        list(trainer.epochs())
    away = [
        sum(float((q.decode(q.encode(w)) - w).abs().mean().detach()) for w, q in pairs)
        for pairs in (zip(t.latents.values(), t.quantizers.values(), strict=True) for t in (strong, none))
    ]
    assert away[0] < 0.5 * away[1]
    assert strong.metrics[-1]["regulariser"] > 0
    assert none.metrics[-1]["regulariser"] == 0


def test_frozen_weights_stop_crossing(make):
    trainer = make(
        "lsq+freeze", options={"threshold_start": 0.011, "threshold_end": 0.01, "begin": 0.0}, epochs=3, lr=0.02
    )
    list(trainer.epochs())
    frozen = torch.cat([q.frozen.flatten() for q in trainer.quantizers.values()])
    assert 0 < int(frozen.sum()) < frozen.numel()
    for name, quantizer in trainer.quantizers.items():
        current = trainer.tracker.current[name]
        assert torch.equal(current[quantizer.frozen], quantizer.frozen_codes[quantizer.frozen])


def test_too_few_images_for_a_batch_are_refused(make):
    with pytest.raises(ValueError, match="batch_size 2000 exceeds the 1347 training images"):
        make(batch_size=2000)


def test_a_model_that_does_not_compile_is_trained_without(monkeypatch):
    net = nn.Linear(3, 2)

    def broken(model):
        def call(x):
            raise torch._dynamo.exc.BackendCompilerFailed(lambda: None, RuntimeError("no compiler"), None)

        return call

    monkeypatch.setattr(torch, "compile", broken)
    forward = compiled_or_eager(net)
    x = torch.randn(4, 3)
    with pytest.warns(UserWarning, match=r"torch\.compile failed"):
        assert torch.equal(forward(x), net(x))
    assert torch.equal(forward(x), net(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Torch's own compiler
def test_compiled_and_eager_training_agree_through_all_stages(make, monkeypatch, as_shipped, without_kernels):
    compile_for_real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compile_for_real(model, backend="aot_eager", fullgraph=True))
    with without_kernels():
        eager, compiled = (make(epochs=5, compile=choice) for choice in ("no", "yes"))
        for trainer in (eager, compiled):
            list(trainer.epochs())
    losses = [[row["train_loss"] for row in trainer.metrics] for trainer in (eager, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert compiled.metrics[-1]["stage"] == "dampen"


def weights_of(trainer):
    return {name: latent.detach().clone() for name, latent in trainer.latents.items()}


def test_noise_is_of_the_asked_share_of_a_threshold_interval_and_new_at_every_step(make):
    trainer = make(options={"perturbation": 0.5})
    trainer._enter(0.1)
    before = weights_of(trainer)
    trainer._perturb(0.5)
    for name, quantizer in trainer.quantizers.items():
        noise = (trainer.latents[name].detach() - before[name]) / (0.5 * quantizer.threshold_step)
        assert float(noise.std()) == pytest.approx(1.0, abs=4 / (2 * noise.numel()) ** 0.5)
        assert float(noise.mean()) == pytest.approx(0.0, abs=4 / noise.numel() ** 0.5)
    once = noises_of(trainer, before)
    trainer.step += 1
    after = weights_of(trainer)
    trainer._perturb(0.5)
    assert not any(torch.equal(a, b) for a, b in zip(once, noises_of(trainer, after), strict=True))


def noises_of(trainer, before):
    return [(latent.detach() - before[name]).flatten() for name, latent in trainer.latents.items()]


def test_every_process_adds_the_same_noise_whatever_was_drawn_before(make):
    alone, beside = make(), make()
    beside.rank = 3
    torch.randn(5)
    for trainer in (alone, beside):
        trainer._enter(0.0)
        before = torch.random.get_rng_state()
        trainer._perturb(1.0)
        assert torch.equal(before, torch.random.get_rng_state())
    assert same(weights_of(alone), weights_of(beside))


def test_noise_per_channel_follows_the_interval_of_the_channel(make):
    trainer = make(options={"per_channel": True})
    trainer._enter(0.0)
    name, quantizer = next(iter(trainer.quantizers.items()))
    quantizer.threshold_interval[1:] = 0.0
    before = weights_of(trainer)[name]
    trainer._perturb(1.0)
    moved = (trainer.latents[name].detach() != before).flatten(1).any(1)
    assert moved.tolist() == [True] + [False] * (len(moved) - 1)


def test_noise_stops_after_the_shrink_stage(make, monkeypatch):
    steps, add = [], Trainer._perturb
    monkeypatch.setattr(
        Trainer, "_perturb", lambda self, spread: (steps.append((self.step, spread)), add(self, spread))
    )
    list(make(options={"perturbation": 0.1}, epochs=5).epochs())
    assert steps == [(step, 0.1) for step in range(22)]  # 105 steps, the state is that before the step: 21/105 = 0.2


def test_no_noise_is_the_run_without_the_option_to_the_bit(make):
    plain, silent, noisy = make(), make(options={"perturbation": 0.0}), make(options={"perturbation": 0.01})
    for trainer in (plain, silent, noisy):
        list(trainer.epochs())
    assert same(plain.model.state_dict(), silent.model.state_dict())
    assert not same(plain.model.state_dict(), noisy.model.state_dict())


def test_a_run_stopped_amid_the_noise_resumes_to_the_bit(make):
    whole, stopped, resumed = (make(options={"perturbation": 0.05}, epochs=5) for _ in range(3))
    list(whole.epochs())
    with pytest.raises(Stopped):
        list(stopped.epochs(lambda: stopped.step == 10))
    assert stopped.stage.perturbation == 0.05
    resumed.restore(stopped.capture())
    list(resumed.epochs())
    assert same(whole.model.state_dict(), resumed.model.state_dict())
    pd.testing.assert_frame_equal(whole.tracker.history_frame(), resumed.tracker.history_frame(), check_exact=True)


def test_held_levels_stay_where_they_began_to_the_bit(make):
    trainer = make(options={"levels_learn": False}, epochs=5)
    before = [float(q.level_interval.detach()) for q in trainer.quantizers.values()]
    stages = [row["stage"] for row in trainer.epochs()]
    assert stages[-1] == "dampen"
    assert [float(q.level_interval.detach()) for q in trainer.quantizers.values()] == before


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("kind", ["MaxScaled", "PowersOfTwo"])
def test_a_users_quantizer_trains_and_is_tracked(small, own_quantizers, kind):
    """One class of the user: engine, tracker and recorder of intervals know it by its attributes."""
    method = methods.Method("own", "", getattr(own_quantizers, kind), own_quantizers.PACT)
    data = datasets.load("digits")
    config = small(method="lsq", epochs=2).resolved("digits", len(data.train), 8)
    torch.manual_seed(0)
    model = models.create("digits_cnn", in_chans=1, image_size=8)
    sample, _ = next(iter(data.train.batches(0, seed=0, batch_size=64, augment=False)))
    quantize(model, weights=method.weights(2), activations=method.activations(2), sample=sample)
    trainer = Trainer(config, method, model, None, data, place_for(config))
    rows = list(trainer.epochs())
    assert rows[1]["train_loss"] < rows[0]["train_loss"]
    assert {q.grid for q in trainer.quantizers.values()} == {trainer.common_grid}
    for name, quantizer in trainer.quantizers.items():
        assert torch.equal(trainer.tracker.current[name], quantizer.encode(trainer.latents[name]))
    recorded = {row["layer"] for row in trainer.intervals.rows}
    assert recorded == (set(trainer.quantizers) if kind == "PowersOfTwo" else set())


def test_a_method_that_freezes_needs_quantizers_that_do(make):
    trainer = make(epochs=1)
    method = replace(methods.get("lsq+freeze"), name="own")
    with pytest.raises(ValueError, match="'own' freezes weights; its quantizers must be Freezing, got AOQ"):
        Trainer(trainer.config, method, trainer.model, None, trainer.data, trainer.place)
