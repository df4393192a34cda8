import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from aoqlab import AOQ, dampening_nagel, dampening_norm, soft_cross_entropy
from aoqlab.losses import oscillation_penalty, with_gradient


def normal(*shape, seed=0, **kwargs):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_(**kwargs)


def test_the_published_norm_by_hand():
    w, c = torch.tensor([3.0, 1.0], requires_grad=True), torch.tensor([0.0, 5.0])
    loss = dampening_norm([w], [c])  # the difference (3, -4) has length 5
    loss.backward()
    assert loss.item() == 5.0
    torch.testing.assert_close(w.grad, torch.tensor([0.6, -0.8]))


def test_the_published_norm_is_a_sum_over_layers():
    layers = [normal(3, 4, seed=1, requires_grad=True), normal(5, seed=2, requires_grad=True)]
    centres = [normal(3, 4, seed=3), normal(5, seed=4)]
    loss = dampening_norm(layers, centres)
    loss.backward()
    away = [(w - c).detach().numpy() for w, c in zip(layers, centres, strict=True)]
    lengths = [math.sqrt(sum(float(a) ** 2 for a in d.flat)) for d in away]
    assert loss.item() == pytest.approx(sum(lengths), rel=1e-14)
    for w, d, length in zip(layers, away, lengths, strict=True):
        np.testing.assert_allclose(w.grad, d / length, rtol=1e-13)


def test_the_published_norm_has_no_gradient_at_distance_zero():
    w = torch.tensor([0.5, -1.5], requires_grad=True)
    loss = dampening_norm([w], [w.detach().clone()])
    loss.backward()
    assert loss.item() == 0 and w.grad.tolist() == [0.0, 0.0]


def test_the_published_norm_has_length_one_gradients_however_close():
    w, c = torch.tensor([1.0], requires_grad=True), torch.tensor([1.0 + 1e-6])
    dampening_norm([w], [c]).backward()
    assert w.grad.item() == pytest.approx(-1.0)


def test_the_published_norm_gives_no_gradient_to_the_centres():
    w, c = normal(3, requires_grad=True), normal(3, seed=1, requires_grad=True)
    dampening_norm([w], [c]).backward()
    assert c.grad is None


def test_the_published_norm_pulls_to_the_threshold_side_grid():
    quantizer = AOQ(2)
    quantizer.shrink.fill_(0.5)
    quantizer.level_interval.data.fill_(3.0)  # levels learned away from the thresholds
    w = torch.tensor([0.1, 0.6, -0.4, 9.0])  # bins of width 1/2 with middles at ±0.25 and ±0.75
    assert quantizer.bin_centres(w).tolist() == [0.25, 0.75, -0.25, 0.75]


def test_the_published_norm_of_nothing_is_zero():
    assert dampening_norm([], []).item() == 0


def test_the_published_norm_refuses_lists_of_different_length():
    with pytest.raises(ValueError, match="shorter"):
        dampening_norm([torch.ones(2), torch.ones(2)], [torch.ones(2)])


def test_the_published_norm_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"bin centres of shape \(3,\) do not fit weights of shape \(2, 3\)"):
        dampening_norm([torch.ones(2, 3)], [torch.ones(3)])


def test_nagel_by_hand():
    w = torch.tensor([0.3, -0.9, 4.0, -7.0], requires_grad=True)
    quantized = torch.tensor([0.5, -0.5, 1.5, -1.5])
    loss = dampening_nagel(w, quantized, -1.5, 1.5)
    loss.backward()  # 2 (w - w_hat) inside, 0 outside
    assert loss.item() == pytest.approx(0.2**2 + 0.4**2)
    torch.testing.assert_close(w.grad, torch.tensor([-0.4, -0.8, 0.0, 0.0]))


def test_nagel_is_a_true_derivative_of_the_weights():
    w, quantized = normal(4, 5, requires_grad=True), normal(4, 5, seed=1)
    assert gradcheck(lambda x: dampening_nagel(x, quantized, -0.8, 0.8), w)


def test_nagel_takes_numbers_and_tensors_as_bounds():
    w, quantized = normal(6), normal(6, seed=1)
    expected = dampening_nagel(w, quantized, -1.0, 0.5)
    for low in (-1.0, torch.tensor(-1.0)):
        for high in (0.5, torch.tensor(0.5)):
            assert torch.equal(dampening_nagel(w, quantized, low, high), expected)


def test_nagel_clips_every_channel_at_its_own_levels():
    w, quantizer = (
        normal(3, 3).float(),
        AOQ(2, per_channel=True),
    )  # square: a wrong axis would broadcast as well
    quantizer.init_from(w)
    levels, quantized = quantizer.levels(), quantizer(w)
    rows = [dampening_nagel(w[i], quantized[i], levels[i, 0], levels[i, -1]) for i in range(3)]
    torch.testing.assert_close(dampening_nagel(w, quantized, levels[:, 0], levels[:, -1]), torch.stack(rows).sum())


def test_nagel_gives_no_gradient_to_the_quantized_weights():
    w, quantized = normal(3, requires_grad=True), normal(3, seed=1, requires_grad=True)
    dampening_nagel(w, quantized, -1.0, 1.0).backward()
    assert quantized.grad is None


def test_nagel_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"quantized weights of shape \(3,\) do not fit weights of shape \(2, 3\)"):
        dampening_nagel(torch.ones(2, 3), torch.ones(3), -1.0, 1.0)


def softmax(row):
    powers = [math.exp(v) for v in row]
    return [p / sum(powers) for p in powers]


def test_soft_cross_entropy_by_hand():
    student, teacher = normal(4, 3, requires_grad=True), normal(4, 3, seed=1)
    loss = soft_cross_entropy(student, teacher)
    loss.backward()
    total, gradient = 0.0, np.zeros((4, 3))
    for n in range(4):
        p, t = softmax(student[n].tolist()), softmax(teacher[n].tolist())
        for c in range(3):
            total -= t[c] * math.log(p[c]) / 4
            gradient[n, c] = (p[c] - t[c]) / 4
    assert loss.item() == pytest.approx(total, rel=1e-14)
    np.testing.assert_allclose(student.grad, gradient, rtol=1e-12)


def test_soft_cross_entropy_of_a_certain_teacher_is_cross_entropy():
    student, labels = normal(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    teacher = torch.nn.functional.one_hot(labels, 5).double() * 1e3
    torch.testing.assert_close(soft_cross_entropy(student, teacher), torch.nn.functional.cross_entropy(student, labels))


def test_soft_cross_entropy_gives_no_gradient_to_the_teacher():
    student, teacher = normal(2, 3, requires_grad=True), normal(2, 3, seed=1, requires_grad=True)
    soft_cross_entropy(student, teacher).backward()
    assert teacher.grad is None and student.grad is not None


def test_soft_cross_entropy_has_no_gradient_where_both_agree():
    student = normal(3, 4, requires_grad=True)
    soft_cross_entropy(student, student.detach() + 7.0).backward()  # logits are defined up to a constant
    np.testing.assert_allclose(student.grad, 0, atol=1e-16)


def test_soft_cross_entropy_survives_large_logits():
    large = torch.tensor([[1e4, -1e4]])
    assert soft_cross_entropy(large, large).item() == 0


def test_soft_cross_entropy_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"logits differ in shape: \(2, 3\) and \(1, 3\)"):
        soft_cross_entropy(torch.ones(2, 3), torch.ones(1, 3))


def test_the_oscillation_penalty_by_hand():
    w = torch.tensor([-0.1, 0.4, 0.6], requires_grad=True)
    quantized = torch.tensor([0.0, 0.0, 1.0])
    loss = oscillation_penalty(w, quantized)
    loss.backward()
    assert loss.item() == pytest.approx(-0.01 - 0.16 + 0.64)
    torch.testing.assert_close(w.grad, torch.tensor([0.2, -0.8, 0.8]))


def test_the_oscillation_penalty_is_that_of_a_straight_through_level():
    w, quantized = normal(40, requires_grad=True), normal(40, seed=1)
    through = quantized + w - w.detach()
    (expected,) = torch.autograd.grad((through.square() - w.square()).sum(), w)
    (got,) = torch.autograd.grad(oscillation_penalty(w, quantized), w)
    torch.testing.assert_close(got, expected, rtol=1e-14, atol=1e-14)


def test_the_oscillation_penalty_pushes_weights_over_their_threshold():
    w = torch.tensor([0.3, 0.8], requires_grad=True)  # levels 0 and 1, threshold at 1/2
    crossed = torch.zeros(2, dtype=torch.bool)
    for _ in range(40):
        quantized = (w.detach() >= 0.5).float()
        oscillation_penalty(w, quantized).backward()
        with torch.no_grad():
            w -= 0.05 * w.grad
            w.grad = None
        crossed |= (w.detach() >= 0.5).float() != quantized
    assert crossed.all() and bool(((w - 0.5).abs() < 0.2).all())


def test_the_oscillation_penalty_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"quantized weights of shape \(3,\) do not fit weights of shape \(2, 3\)"):
        oscillation_penalty(torch.ones(2, 3), torch.ones(3))


def test_a_loss_with_a_given_gradient_has_it():
    layers = [normal(2, 3, requires_grad=True), normal(4, seed=1, requires_grad=True)]
    slopes = [normal(2, 3, seed=2), normal(4, seed=3)]
    loss = with_gradient(torch.tensor(5.0, dtype=torch.float64), layers, slopes)
    (3 * loss).backward()
    assert loss.item() == 5.0
    for w, slope in zip(layers, slopes, strict=True):
        torch.testing.assert_close(w.grad, 3 * slope, rtol=0, atol=0)


def test_the_published_norm_in_bfloat16_and_without_gradients():
    w, c = torch.tensor([3.0, 1.0], dtype=torch.bfloat16), torch.tensor([0.0, 5.0], dtype=torch.bfloat16)
    assert dampening_norm([w], [c]).item() == 5.0 and not dampening_norm([w], [c]).requires_grad
    w.requires_grad_()
    dampening_norm([w], [c]).backward()
    assert w.grad.dtype == torch.bfloat16
