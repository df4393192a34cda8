"""What holds for every quantizer."""

import copy
import io
import math
import pickle
from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from aoqlab import AOQ, LSQ, LTQ, Quantizer
from aoqlab.kernels import native
from aoqlab.quantizers import Freezing, Shifted, StatsQ

MAKERS: dict[str, Callable[[int], Quantizer]] = {
    "aoq-rise": lambda bits: AOQ(bits),
    "aoq-tread": lambda bits: AOQ(bits, "mid-tread"),
    "aoq-channels": lambda bits: AOQ(bits, per_channel=True),
    "lsq-signed": lambda bits: LSQ(bits),
    "lsq-unsigned": lambda bits: LSQ(bits, signed=False),
    "lsq-channels": lambda bits: LSQ(bits, per_channel=True),
    "ltq": lambda bits: LTQ(bits),
    "aoq-coupled": lambda bits: AOQ(bits, coupled=True),
    "statsq-channels": lambda bits: StatsQ(bits),
    "statsq": lambda bits: StatsQ(bits, per_channel=False),
    "freezing": lambda bits: Freezing(LSQ(bits)),
    "freezing-channels": lambda bits: Freezing(AOQ(bits, per_channel=True)),
    "shifted-lsq": lambda bits: Shifted(LSQ(bits, signed=False)),
    "shifted-ltq": lambda bits: Shifted(LTQ(bits)),
}
DTYPES = (torch.float32, torch.float64, torch.bfloat16)
BITS = range(2, 9)
SHAPE = (4, 6, 3, 5)

# The same without channels, for those that have them.
WHOLE: dict[str, Callable[[int], Quantizer]] = {
    "aoq-channels": lambda bits: AOQ(bits),
    "lsq-channels": lambda bits: LSQ(bits),
    "statsq-channels": lambda bits: StatsQ(bits, per_channel=False),
    "freezing-channels": lambda bits: Freezing(AOQ(bits)),
}

every_quantizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
every_width = pytest.mark.parametrize("bits", BITS)
per_tensor = pytest.mark.parametrize(
    "make", [m for n, m in MAKERS.items() if "channels" not in n], ids=[n for n in MAKERS if "channels" not in n]
)
per_channel = pytest.mark.parametrize("make", [MAKERS[n] for n in WHOLE], ids=WHOLE.keys())
beside_whole = pytest.mark.parametrize(("make", "whole"), [(MAKERS[n], w) for n, w in WHOLE.items()], ids=WHOLE.keys())


def normal(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def prepared(make, bits, dtype=torch.float32, x=None):
    """Initialised, with uneven parameters so that none of them hides behind a 1."""
    quantizer = make(bits).to(dtype)
    quantizer.init_from(normal(*SHAPE, dtype=dtype) if x is None else x)
    generator = torch.Generator().manual_seed(bits)
    with torch.no_grad():
        for p in quantizer.parameters():
            p.mul_(1 + 0.3 * torch.rand(p.shape, generator=generator).to(dtype))
        if isinstance(quantizer, AOQ):
            quantizer.shrink.fill_(0.7)
    return quantizer


def gradients(quantizer, x, grad):
    x = x.detach().requires_grad_()
    out = quantizer(x)
    parameters = dict(quantizer.named_parameters())
    found = torch.autograd.grad(out, (x, *parameters.values()), grad)
    return out.detach(), dict(zip(("x", *parameters), found, strict=True))


def assert_equal_results(got, expected, rtol=1e-5):
    assert torch.equal(got[0], expected[0])
    assert torch.equal(got[1].pop("x"), expected[1].pop("x"))
    torch.testing.assert_close(got[1], expected[1], rtol=rtol, atol=rtol)


# ---- exact identities ------------------------------------------------------------------------------------------------


@every_dtype
@every_width
@every_quantizer
def test_decoding_the_codes_is_the_forward_pass(make, bits, dtype, path):
    quantizer = prepared(make, bits, dtype)
    x = normal(*SHAPE, dtype=dtype) * 3
    x.view(-1)[:4] = torch.tensor([math.inf, -math.inf, 0.0, -0.0])
    codes, out = quantizer.encode(x), quantizer(x)
    assert torch.equal(quantizer.decode(codes), out) and out.dtype == dtype
    assert codes.dtype == torch.uint8 and codes.shape == x.shape and int(codes.max()) < 2**bits


@every_width
@every_quantizer
def test_values_are_levels(make, bits):
    quantizer = prepared(make, bits)
    out, levels = quantizer(normal(*SHAPE) * 3).flatten(1), quantizer.levels()
    levels = levels.expand(4, -1) if levels.ndim == 1 else levels
    assert levels.shape == (4, 2**bits) and quantizer.thresholds().shape[-1] == 2**bits - 1
    assert all(torch.isin(row, own).all() for row, own in zip(out, levels, strict=True))


@every_dtype
@every_width
@every_quantizer
def test_thresholds_and_levels_ascend(make, bits, dtype):
    quantizer = prepared(make, bits, dtype)
    levels, thresholds = quantizer.levels(), quantizer.thresholds()
    assert bool((thresholds.diff() > 0).all())
    if dtype == torch.bfloat16 and bits == 8:  # 8 significant bits merge some levels
        assert bool((levels.diff() >= 0).all())
    else:
        assert bool((levels.diff() > 0).all())


UNIFORM = ["aoq-rise", "aoq-tread", "lsq-signed", "lsq-unsigned"]


@every_dtype
@every_width
@pytest.mark.parametrize("make", [MAKERS[name] for name in UNIFORM], ids=UNIFORM)
def test_a_code_counts_the_thresholds_at_or_below(make, bits, dtype, path):
    quantizer = prepared(make, bits, dtype)
    thresholds = quantizer.thresholds()
    points, inf = thresholds.to(dtype), torch.tensor(math.inf, dtype=dtype)
    info, smallest = torch.finfo(dtype), torch.nextafter(torch.zeros_like(inf), inf)
    special = torch.tensor([0.0, math.inf, info.max, info.tiny, float(smallest)], dtype=dtype)
    x = torch.cat([points, torch.nextafter(points, inf), torch.nextafter(points, -inf), special, -special])
    expected = [sum(t <= value for t in thresholds.tolist()) for value in x.tolist()]
    assert quantizer.encode(x).tolist() == expected
    assert torch.equal(quantizer(x), quantizer.levels()[expected])


@every_dtype
@every_width
@every_quantizer
def test_native_and_eager_agree(make, bits, dtype, kernels, without_kernels):
    quantizer = prepared(make, bits, dtype)
    x, grad = normal(*SHAPE, dtype=dtype) * 2, normal(*SHAPE, seed=1, dtype=dtype)
    native, codes = gradients(quantizer, x, grad), quantizer.encode(x)
    with without_kernels():
        assert torch.equal(quantizer.encode(x), codes)
        assert_equal_results(native, gradients(quantizer, x, grad), {torch.float64: 1e-12}.get(dtype, 1e-4))


@per_tensor
@pytest.mark.parametrize("bits", [2, 5])
@pytest.mark.parametrize("size", [1, 15, 17, 1025, 40001])
def test_native_and_eager_agree_at_every_block_edge(make, bits, size, kernels, without_kernels):
    quantizer, x, grad = prepared(make, bits), normal(size) * 2, normal(size, seed=1)
    native = gradients(quantizer, x, grad)
    with without_kernels():
        eager = gradients(quantizer, x, grad)
    sums = size * 1e-5
    assert torch.equal(native[0], eager[0]) and torch.equal(native[1].pop("x"), eager[1].pop("x"))
    torch.testing.assert_close(native[1], eager[1], rtol=1e-4, atol=sums)


@every_quantizer
def test_the_number_of_threads_changes_nothing(make, threads, kernels):
    quantizer, x, grad = prepared(make, 3), normal(4, 100_000), normal(4, 100_000, seed=1)
    results = []
    for count in (1, 2, 3, 7):
        threads(count)
        assert native.threads_for(x.numel()) == min(count, 6)
        out, found = gradients(quantizer, x, grad)
        results.append([out, quantizer.encode(x), *found.values()])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


# ---- layouts and shapes ----------------------------------------------------------------------------------------------

LAYOUTS = {
    "channels-last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(1, 3).contiguous().transpose(1, 3),
    "strided": lambda x: x.repeat_interleave(2, 2)[:, :, ::2],
    "flipped rows": lambda x: x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
    "offset": lambda x: torch.cat([torch.zeros(1), x.flatten()])[1:].view(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@every_quantizer
def test_the_layout_of_the_input_changes_nothing(make, layout, path):
    quantizer, x, grad = prepared(make, 3), normal(*SHAPE), normal(*SHAPE, seed=1)
    assert torch.equal(quantizer.encode(layout(x)), quantizer.encode(x))
    assert_equal_results(gradients(quantizer, layout(x), grad), gradients(quantizer, x, grad))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@every_quantizer
def test_the_layout_of_the_gradient_changes_nothing(make, layout, path):
    quantizer, x, grad = prepared(make, 3), normal(*SHAPE), normal(*SHAPE, seed=1)
    channels_last = x.to(memory_format=torch.channels_last)
    assert_equal_results(gradients(quantizer, x, layout(grad)), gradients(quantizer, x, grad))
    assert_equal_results(gradients(quantizer, channels_last, layout(grad)), gradients(quantizer, x, grad))


@every_quantizer
def test_the_gradient_of_a_sum_arrives_expanded(make, path):
    quantizer, x = prepared(make, 3), normal(*SHAPE)
    expanded = torch.ones(()).expand(SHAPE)
    assert_equal_results(gradients(quantizer, x, expanded), gradients(quantizer, x, torch.ones(SHAPE)))


@every_quantizer
def test_channels_last_stays_channels_last(make, path):
    x = normal(*SHAPE).to(memory_format=torch.channels_last)
    quantizer = prepared(make, 2)
    out = quantizer(x)
    per_channel = getattr(getattr(quantizer, "inner", quantizer), "per_channel", False)
    assert per_channel or out.is_contiguous(memory_format=torch.channels_last)


@per_tensor
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (1, 1, 1, 1), (2, 1, 3, 1, 2, 1)])
def test_every_shape_is_kept(make, shape, path):
    quantizer = prepared(make, 2)
    x = normal(*shape).requires_grad_() if shape else torch.tensor(0.3, requires_grad=True)
    out = quantizer(x)
    out.sum().backward()
    assert out.shape == x.grad.shape == quantizer.encode(x).shape == shape
    if not x.numel():
        assert all(not p.grad.any() for p in quantizer.parameters())


@per_channel
@pytest.mark.parametrize("shape", [(4,), (4, 0), (4, 1), (4, 2, 2, 2, 2)])
def test_every_shape_with_channels_is_kept(make, shape, path):
    quantizer, x = prepared(make, 2), normal(*shape).requires_grad_()
    out = quantizer(x)
    out.sum().backward()
    assert out.shape == x.grad.shape == quantizer.encode(x).shape == shape


@beside_whole
def test_channels_are_independent_quantizers(make, whole, path):
    x, grad = normal(*SHAPE), normal(*SHAPE, seed=1)
    quantizer = prepared(make, 3)
    out, found = gradients(quantizer, x, grad)
    single = whole(3)
    for c in range(4):
        one = {k: v[c] if v.shape == (4,) else v for k, v in quantizer.state_dict().items()}
        single.load_state_dict(one)
        row, row_found = gradients(single, x[c], grad[c])
        assert torch.equal(out[c], row) and torch.equal(quantizer.levels()[c], single.levels())
        for name, value in row_found.items():
            torch.testing.assert_close(found[name][c], value, rtol=1e-5, atol=1e-5)


@per_channel
def test_channels_that_do_not_fit_are_refused(make, path):
    with pytest.raises(ValueError, match=r"4 channels do not fit a tensor of shape \(3, 4\)"):
        prepared(make, 2)(normal(3, 4))


# ---- values that are no numbers --------------------------------------------------------------------------------------


@every_dtype
@every_quantizer
def test_nan_stays_nan_and_touches_nothing_else(make, dtype, path):
    quantizer, x = prepared(make, 3, dtype), normal(*SHAPE, dtype=dtype)
    out = quantizer(x)
    spoiled = x.clone()
    spoiled[1, 2, 0, 3] = math.nan
    expected = out.clone()
    expected[1, 2, 0, 3] = math.nan
    assert torch.equal(quantizer(spoiled).isnan(), spoiled.isnan())
    torch.testing.assert_close(quantizer(spoiled), expected, rtol=0, atol=0, equal_nan=True)


@every_quantizer
def test_encoding_nan_is_refused(make, path):
    x = normal(*SHAPE)
    x[0, 0, 0, :2] = math.nan
    with pytest.raises(ValueError, match="cannot encode 2 NaN values out of 360"):
        prepared(make, 2).encode(x)


@every_quantizer
def test_infinities_take_the_outermost_codes(make, path):
    x = torch.full(SHAPE, math.inf)
    x[:, 0] = -math.inf  # their sum is NaN, none of them is
    codes = prepared(make, 3).encode(x)
    assert codes[:, 0].unique().tolist() == [0] and codes[:, 1:].unique().tolist() == [7]


@every_quantizer
def test_integers_are_refused(make, path):
    with pytest.raises(TypeError, match=r"must be a floating-point tensor, got torch.int64"):
        prepared(make, 2)(torch.ones(SHAPE, dtype=torch.int64))


BAD_STARTS = {
    "NaN": (torch.tensor([[1.0, math.nan]] * 4), ValueError, "1? ?4 NaN or infinite values out of 8"),
    "infinite": (torch.tensor([[1.0, -math.inf]] * 4), ValueError, "4 NaN or infinite values out of 8"),
    "empty": (torch.ones(0, 2), ValueError, r"has no elements \(shape \(0, 2\)\)"),
    "integer": (torch.arange(8).view(4, 2), TypeError, "floating-point tensor, got torch.int64"),
}


@pytest.mark.parametrize("bad", BAD_STARTS.values(), ids=BAD_STARTS.keys())
@every_quantizer
def test_a_start_from_something_else_than_numbers_is_refused(make, bad):
    x, error, message = bad
    quantizer = make(2)
    before = copy.deepcopy(quantizer.state_dict())
    with pytest.raises(error, match=message):
        quantizer.init_from(x)
    assert all(torch.equal(v, before[k]) for k, v in quantizer.state_dict().items())


NO_SPREAD = {"constant": torch.full((4, 3), 0.0), "huge": torch.tensor([[3.4e38, -3.4e38]] * 4)}


@pytest.mark.parametrize("x", NO_SPREAD.values(), ids=NO_SPREAD.keys())
@pytest.mark.parametrize("make", [m for n, m in MAKERS.items() if n != "ltq"], ids=[n for n in MAKERS if n != "ltq"])
def test_a_start_without_a_usable_spread_is_refused(make, x):
    with pytest.raises(ValueError, match=r"cannot derive a step from a tensor of shape .* are all values equal"):
        make(2).init_from(x)


@per_channel
def test_a_start_without_channels_is_refused(make):
    with pytest.raises(ValueError, match="per_channel=True needs a tensor of at least one dimension"):
        make(2).init_from(torch.tensor(1.0))


@pytest.mark.parametrize("bits", [1, 9, True, 2.5, "3", None])
@every_quantizer
def test_other_bit_widths_are_refused(make, bits, as_shipped):
    with pytest.raises(ValueError, match="bits must be an integer from 2 to 8, got"):
        make(bits)


# ---- a life as a module ----------------------------------------------------------------------------------------------


def survivors(quantizer, make):
    """The quantizer after everything that a checkpoint or a worker process does to it."""
    loaded, stream = make(quantizer.bits).to(quantizer.levels().dtype), io.BytesIO()
    torch.save(quantizer.state_dict(), stream)
    stream.seek(0)
    loaded.load_state_dict(torch.load(stream, weights_only=True))
    return {"state_dict": loaded, "deepcopy": copy.deepcopy(quantizer), "pickle": pickle.loads(pickle.dumps(quantizer))}


@every_dtype
@every_quantizer
def test_checkpoints_and_copies_change_nothing(make, dtype):
    quantizer, x, grad = prepared(make, 3, dtype), normal(*SHAPE, dtype=dtype), normal(*SHAPE, seed=1, dtype=dtype)
    out, found = gradients(quantizer, x, grad)
    for way, other in survivors(quantizer, make).items():
        again, found_again = gradients(other, x, grad)
        assert torch.equal(again, out), way
        assert all(torch.equal(found_again[k], v) for k, v in found.items()), way


@every_quantizer
def test_a_copy_is_independent(make):
    quantizer = prepared(make, 2)
    before = quantizer.levels().clone()
    for other in (copy.deepcopy(quantizer), pickle.loads(pickle.dumps(quantizer))):
        with torch.no_grad():
            for p in other.parameters():
                p.mul_(2)
    assert torch.equal(quantizer.levels(), before)


@beside_whole
def test_a_checkpoint_of_other_channels_than_asked_for_is_refused(make, whole):
    quantizer, single = prepared(make, 2), whole(2)
    for target, source in ((single, quantizer), (quantizer, single)):
        with pytest.raises(RuntimeError, match="per_channel differs"):
            target.load_state_dict(source.state_dict())


@per_channel
def test_a_checkpoint_loads_inside_a_larger_module(make):
    quantizer = prepared(make, 2)
    old, new = torch.nn.ModuleDict({"a": quantizer}), torch.nn.ModuleDict({"a": make(2)})
    new.load_state_dict(old.state_dict())
    assert torch.equal(new["a"].levels(), quantizer.levels())


@every_dtype
@every_quantizer
def test_to_moves_everything(make, dtype):
    quantizer = prepared(make, 3).to(dtype)
    assert {t.dtype for t in quantizer.state_dict().values() if t.is_floating_point()} == {dtype}
    x = normal(*SHAPE, dtype=dtype)
    assert quantizer(x).dtype == dtype and quantizer.levels().dtype == dtype


@every_quantizer
def test_starting_keeps_the_dtype_and_the_parameters(make):
    quantizer = make(2).double()
    parameters = dict(quantizer.named_parameters())
    assert quantizer.init_from(normal(*SHAPE)) is quantizer
    assert {t.dtype for t in quantizer.state_dict().values() if t.is_floating_point()} == {torch.float64}
    assert all(p is parameters[name] for name, p in quantizer.named_parameters())  # an optimizer may hold them


@every_quantizer
def test_no_grad_gives_the_same_values(make, path):
    quantizer, x = prepared(make, 3), normal(*SHAPE)
    expected = quantizer(x).detach()
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            out = quantizer(x)
        assert torch.equal(out, expected) and not out.requires_grad


@every_quantizer
def test_the_forward_pass_changes_neither_input_nor_state(make, path):
    quantizer, x = prepared(make, 3), normal(*SHAPE)
    before, x_before = copy.deepcopy(quantizer.state_dict()), x.clone()
    quantizer(x.requires_grad_()).sum().backward()
    assert torch.equal(x, x_before)
    assert all(torch.equal(v, before[k]) for k, v in quantizer.state_dict().items())


@every_quantizer
def test_gradients_accumulate_over_two_uses(make, path):
    quantizer, x, y = prepared(make, 3), normal(*SHAPE).requires_grad_(), normal(*SHAPE, seed=1).requires_grad_()
    (quantizer(x).sum() + quantizer(y).sum()).backward()
    both = [p.grad.clone() for p in quantizer.parameters()]
    quantizer.zero_grad()
    quantizer(x).sum().backward()
    quantizer(y).sum().backward()
    torch.testing.assert_close(both, [p.grad for p in quantizer.parameters()], rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Torch's own compiler
@every_quantizer
def test_traced_in_one_graph_is_eager(make, as_shipped, without_kernels):
    torch.compiler.reset()  # the same forward has been compiled for other quantizers
    quantizer, x, grad = prepared(make, 3), normal(*SHAPE), normal(*SHAPE, seed=1)
    with without_kernels():
        expected = gradients(quantizer, x, grad)
    got = gradients(torch.compile(quantizer, fullgraph=True, backend="aot_eager"), x, grad)
    assert torch.equal(got[0], expected[0])
    assert all(torch.equal(got[1][k if k == "x" else f"_orig_mod.{k}"], v) for k, v in expected[1].items())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Torch's own compiler
def test_compiled_is_eager(as_shipped, kernels):
    quantizers = [prepared(MAKERS[name], 3) for name in ("aoq-rise", "lsq-channels", "ltq")]
    x, grad = normal(*SHAPE), normal(*SHAPE, seed=1)

    @torch.compile(fullgraph=True)  # one graph for all three: starting the compiler is what costs
    def together(x):
        return torch.stack([q(x) for q in quantizers])

    parameters = [p for q in quantizers for p in q.parameters()]
    got = torch.autograd.grad(together(x), parameters, grad.expand(3, *SHAPE))
    expected = [v for q in quantizers for k, v in gradients(q, x, grad)[1].items() if k != "x"]
    torch.testing.assert_close(list(got), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together(x), torch.stack([q(x) for q in quantizers]))


# ---- any numbers -----------------------------------------------------------------------------------------------------

makers = st.sampled_from([m for n, m in MAKERS.items() if "channels" not in n])
numbers = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40)


@given(makers, st.sampled_from(BITS), numbers)
def test_encoding_is_monotone_and_in_range(make, bits, values):
    codes = prepared(make, bits).encode(torch.tensor(sorted(values))).long()
    assert bool((codes.diff() >= 0).all())
    assert codes.min() >= 0 and codes.max() < 2**bits


@given(makers, st.sampled_from(BITS), numbers, st.sampled_from([torch.float32, torch.float64]))
def test_any_numbers_native_is_eager(without_kernels, make, bits, values, dtype):
    quantizer, x = prepared(make, bits, dtype), torch.tensor(values, dtype=dtype)
    native, codes = gradients(quantizer, x, torch.ones_like(x)), quantizer.encode(x)
    with without_kernels():
        eager, eager_codes = gradients(quantizer, x, torch.ones_like(x)), quantizer.encode(x)
    assert torch.equal(native[0], eager[0]) and torch.equal(codes, eager_codes)
    assert torch.equal(native[1]["x"], eager[1]["x"])


@given(makers, st.sampled_from(BITS), numbers)
def test_quantizing_twice_changes_nothing(make, bits, values):
    quantizer = make(bits)
    assume(not isinstance(quantizer, StatsQ))  # what comes out has another mean
    # Equal intervals of 1: levels are their own values, except for the learned ramp.
    if isinstance(ramp := getattr(quantizer, "inner", quantizer), LTQ):
        ramp.output_scale.data.fill_(1.0)  # levels delta * i on thresholds delta * (i + 1/2)
    once = quantizer(torch.tensor(values)).detach()
    assert torch.equal(quantizer(once), once)
