"""The interval explorer without a browser: sources of weights, quantizers of a state, stages, extremes, export."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from aoqlab import AOQ, LSQ, StatsQ, ThreeStage, quantize
from aoqlab.lab import methods, models
from aoqlab.lab.explorers import intervals
from aoqlab.lab.explorers.interval_explorer import explorer as explorer_module
from aoqlab.lab.explorers.interval_explorer.choices import GRIDS, PULL, RATIOS, moments_of, starts_of
from aoqlab.lab.explorers.interval_explorer.weight_summary import summarise
from aoqlab.quantizers.probes import quantization_error
from aoqlab.surgery import weight_sites


def randn(n, seed=0, scale=0.05):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.fixture(scope="module")
def net():
    return models.create("digits_cnn", in_chans=1, image_size=8, pretrained=True).eval()


@pytest.fixture(scope="module")
def trained(net):
    """As training might leave it: intervals that no slider has."""
    quantized = quantize(copy.deepcopy(net), weights=AOQ(3, grid="mid-tread"))
    for site in weight_sites(quantized).values():
        site.quantizer.level_interval.data.mul_(1.2345)
        site.quantizer.shrink.fill_(0.37)
    return quantized


def test_tensors_arrays_and_networks_are_sources(net):
    for source in (randn(100), randn(100).numpy(), randn(100).double(), torch.arange(-5, 5)):
        assert list(intervals(source).layers) == ["weights"]
    assert list(intervals(net).layers) == ["conv1", "conv2", "conv3", "head"]
    assert intervals(net).state["layer"] == "conv3"  # the largest
    assert intervals(net, layer="conv2").state["layer"] == "conv2"
    assert intervals("digits_cnn").state["layer"] == "conv3"
    assert list(intervals(net.state_dict()).layers) == ["conv1", "conv2", "conv3", "head"]


def test_a_quantized_network_begins_where_training_left_it(trained, readouts):
    explorer = intervals(trained)
    assert explorer.state["layer"] == "conv2"  # the first that is quantized
    assert (explorer.state["quantizer"], explorer.value("bits"), explorer.state["start"]) == (
        "aoq-mid-tread",
        3,
        "learned",
    )
    site = weight_sites(trained)["conv2"]
    ours = explorer.quantizer()
    assert torch.allclose(ours.thresholds(), site.quantizer.thresholds(), rtol=1e-6)
    assert torch.allclose(ours.levels(), site.quantizer.levels(), rtol=1e-6)
    exact = quantization_error(site.latent, site.codes(), site.quantizer.levels())
    assert readouts(explorer)["mse"] == pytest.approx(exact["mse"], rel=1e-5)


def test_checkpoint_files_and_runs_are_sources(trained, tmp_path, monkeypatch):
    state = {key: value.contiguous() for key, value in trained.state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    from_file = intervals(tmp_path / "net.safetensors")
    assert from_file.state["start"] == "learned" and list(from_file.layers) == ["conv1", "conv2", "conv3", "head"]
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    run = tmp_path / "data" / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"settings": {"method": "aoq", "bits": 4}}))
    with pytest.raises(FileNotFoundError, match="no weights yet"):
        intervals("mine")
    save_file(state, run / "model.safetensors")
    for name in ("mine", run):
        explorer = intervals(name)
        assert explorer.value("bits") == 4 and explorer.state["quantizer"] == "aoq-mid-rise"


def named(method, bits=3, **options):
    """A network as a run by that method has it, and the text of the run's settings."""
    net = models.create("digits_cnn", in_chans=1, image_size=8)
    quantized = quantize(net, weights=methods.get(method, **options).weights(bits))
    for site in weight_sites(quantized).values():
        if hasattr(site.quantizer, "shrink"):
            site.quantizer.shrink.fill_(0.5)
            site.quantizer.level_interval.data.mul_(1.5)
    return quantized, json.dumps({"settings": {"method": method, "bits": bits, "method_options": options}})


@pytest.mark.parametrize(
    ("method", "kind"),
    [("n2uq", "statsq"), ("statsq", "statsq"), ("lsq+freeze", "lsq"), ("lsq", "lsq"), ("aoq-coupled", "aoq-mid-rise")],
)
def test_a_run_and_its_network_say_which_quantizer_was_trained(method, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    quantized, config = named(method)
    run = tmp_path / "data" / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.json").write_text(config)
    save_file({key: value.contiguous() for key, value in quantized.state_dict().items()}, run / "model.safetensors")
    for source in ("mine", quantized):
        explorer = intervals(source)
        assert (explorer.state["quantizer"], explorer.value("bits"), explorer.state["start"]) == (kind, 3, "learned")


def test_thresholds_of_a_coupled_quantizer_are_its_levels(tmp_path):
    quantized, _ = named("aoq-coupled")
    explorer, site = intervals(quantized), weight_sites(quantized)["conv2"]
    assert torch.allclose(explorer.quantizer().thresholds(), site.quantizer.thresholds(), rtol=1e-6)
    assert torch.allclose(explorer.quantizer().levels(), site.quantizer.levels(), rtol=1e-6)


def test_a_file_that_does_not_say_which_quantizer_says_so(tmp_path):
    for method, kinds in {"lsq": ("lsq", "statsq"), "aoq": ("aoq-mid-rise", "aoq-mid-tread")}.items():
        state = {key: value.contiguous() for key, value in named(method)[0].state_dict().items()}
        save_file(state, tmp_path / "net.safetensors")
        explorer = intervals(tmp_path / "net.safetensors")
        learned = explorer.data["layers"]["conv2"]["learned"]
        assert learned["kinds"] == kinds and learned["bits"] is None
        assert "does not say which quantizer they are of" in learned["remark"] and "how many bits" in learned["remark"]
        explorer.set(bits=5)
        assert explorer.state["start"] == "learned"  # five may be right


def test_means_over_channels_are_called_so():
    remarks = [
        intervals(named("lsq", per_channel=yes)[0]).data["layers"]["conv2"]["learned"]["remark"]
        for yes in (True, False)
    ]
    assert remarks == ["The trained intervals are means over channels, which have one each.", ""]


def test_trained_intervals_belong_to_the_trained_quantizer(trained):
    explorer = intervals(trained)
    for change in ({"quantizer": "lsq"}, {"quantizer": "aoq-mid-rise"}, {"bits": 2}):
        explorer.set(layer="conv2", start="learned")
        assert (explorer.state["start"], explorer.state["quantizer"], explorer.value("bits")) == (
            "learned",
            "aoq-mid-tread",
            3,
        )
        explorer.set(**change)
        assert explorer.state["start"] == "own"
    with pytest.raises(ValueError, match="no finite intervals were trained with conv2 by such a quantizer"):
        explorer.set(start="learned", quantizer="lsq")
    explorer.state = explorer.state | {"start": "learned", "quantizer": "lsq"}
    assert explorer.state["start"] == "own"


def test_another_layers_quantizer_is_taken_over_with_its_intervals(net):
    explorer, other = intervals(quantize(copy.deepcopy(net), weights=LSQ(4))), intervals(named("aoq")[0])
    explorer.layers["conv3"] = other.layers["conv3"]
    explorer.set(layer="conv3")
    assert (explorer.state["start"], explorer.state["quantizer"], explorer.value("bits")) == (
        "learned",
        "aoq-mid-rise",
        3,
    )
    explorer.set(layer="conv1")  # not quantized
    assert explorer.state["start"] == "own"


def test_a_set_interval_is_used_and_the_other_stays_where_it_was():
    explorer = intervals(randn(5000))
    explorer.set(bits=4)
    own = explorer.quantizer().level_interval.item()
    explorer.set(th=0.5)
    quantizer = explorer.quantizer()
    assert explorer.state["start"] == "free"
    assert float(quantizer.threshold_interval) == pytest.approx(0.5 * explorer.summary("weights").sigma, rel=1e-6)
    assert quantizer.level_interval.item() == pytest.approx(own, rel=1e-6)
    explorer.set(locked=True, start="free")
    explorer.set(le=0.25)
    assert explorer.quantizer().threshold_interval.item() == explorer.quantizer().level_interval.item()
    assert explorer.value("th") == 0.25
    explorer.set(start="own")
    assert not explorer.state["locked"]
    explorer.set(th=0.5, start="own")
    assert explorer.state["start"] == "own"


def test_locking_trained_intervals_frees_them(trained):
    explorer = intervals(trained)
    was = float(explorer.quantizer().threshold_step)
    explorer.set(locked=True)
    assert explorer.state["start"] == "free" and explorer.state["th"] > 0
    unit = explorer.summary("conv2").sigma
    assert explorer.value("th") * unit == pytest.approx(was, rel=0.03)  # a stop is at most 2% away


def test_the_moment_is_set_by_index_and_shrinking_by_hand_leaves_the_training():
    explorer = intervals(randn(100))
    explorer.set(moment=50)
    assert explorer.value("moment")["progress"] == 0.49
    with pytest.raises(ValueError, match="moment must be a whole number from 0 to 101"):
        explorer.set(moment=0.5)
    explorer.set(alpha=0.6)
    assert explorer.value("moment") is None and float(explorer.quantizer().shrink) == pytest.approx(0.6)
    explorer.set(moment=101)
    explorer.set(moment=0)
    assert float(explorer.quantizer().shrink) == 1


def test_weights_that_are_trained_on_leave_picture_and_numbers_unchanged(readouts):
    net = nn.Sequential(nn.Linear(40, 50))
    weights = net[0].weight
    for source in (net, net.state_dict(), weights, weights.detach().numpy()):
        explorer = intervals(source)
        layer = explorer.state["layer"]
        before = readouts(explorer), explorer.answer_layer(explorer.state, layer)
        with torch.no_grad():
            weights.data.mul_(2)
        assert (readouts(explorer), explorer.answer_layer(explorer.state, layer)) == before


def test_what_is_no_signal_is_told_from_what_is_no_noise(readouts):
    explorer = intervals(torch.zeros(10))
    explorer.set(quantizer="aoq-mid-rise")
    found = readouts(explorer)
    assert found["power"] == 0 < found["mse"] and found["sqnr"] is None
    units = [intervals(w)._message("weights")["unitName"] for w in (torch.zeros(10), torch.full((3,), 0.2), randn(10))]
    assert units == ["", "|w|", "σ"]
    explorer = intervals(torch.full((3,), 0.25))
    explorer.set(quantizer="lsq", th=1.0)
    found = readouts(explorer)
    assert found["mse"] == 0 < found["power"] and found["sqnr"] is None


def test_what_is_no_source_is_named(as_shipped):
    with pytest.raises(FileNotFoundError, match="'nowhere' is no run, no file and no network's name"):
        intervals("nowhere")
    with pytest.raises(TypeError, match="got int"):
        intervals(3)
    with pytest.raises(ValueError, match="no layer 'conv9'; there are weights"):
        intervals(randn(10), layer="conv9")
    with pytest.raises(ValueError, match="no layers"):
        intervals(nn.ReLU())


@pytest.mark.parametrize("kind", list(GRIDS))
@pytest.mark.parametrize("bits", range(2, 9))
def test_own_starts_match_the_quantizers(kind, bits):
    weights = randn(5000)
    explorer = intervals(weights)
    explorer.set(quantizer=kind, bits=bits)
    made = {
        "aoq-mid-rise": AOQ(bits),
        "aoq-mid-tread": AOQ(bits, grid="mid-tread"),
        "lsq": LSQ(bits),
        "statsq": StatsQ(bits, per_channel=False),
    }[kind].init_from(weights)
    ours = explorer.quantizer()
    assert type(ours) is type(made) and ours.grid == made.grid
    assert torch.allclose(ours.thresholds(), made.thresholds(), rtol=1e-5)
    assert torch.allclose(ours.levels(), made.levels(), rtol=1e-5)


def test_aoqs_start_is_a_stop_of_the_sliders_for_every_number_of_bits():
    summary = summarise(randn(1000))
    for start in starts_of(summary)["aoq-mid-rise"]:
        assert start / summary.sigma in RATIOS


def test_sliders_set_both_intervals_and_the_shrink_factor():
    weights = randn(5000)
    explorer = intervals(weights)
    explorer.set(start="free", th=0.5, le=0.75, alpha=0.4, bits=3)
    sigma = float(weights.std())
    quantizer = explorer.quantizer()
    assert float(quantizer.threshold_interval) == pytest.approx(sigma * explorer.value("th"), rel=1e-6)
    assert quantizer.level_interval.item() == pytest.approx(sigma * explorer.value("le"), rel=1e-6)
    assert float(quantizer.shrink) == pytest.approx(0.4)
    explorer.set(locked=True)
    quantizer = explorer.quantizer()
    assert quantizer.level_interval.item() == quantizer.threshold_interval.item()


def test_stages_match_the_schedule():
    schedule = ThreeStage(shrink_min=0.4, shrink_until=0.3)
    explorer = intervals(randn(5000), schedule=schedule)
    for index, moment in enumerate(moments_of(schedule, 100), start=1):
        state = schedule(moment["progress"])
        assert (moment["stage"], moment["shrink"]) == (state.stage, state.shrink)
        assert explorer.moments[index] == moment
    assert explorer.moments[0] is None
    ends = moments_of(schedule, 100)[-1]
    assert (ends["learned"], ends["pull"]) == (1.0, PULL)


def test_levels_that_learned_have_the_least_squared_error(readouts):
    weights = randn(20_000)
    explorer = intervals(weights)
    explorer.state = explorer.state | {"moment": 61}  # 60%: all of stage 2 is done, nothing is pulled yet
    best = readouts(explorer)["mse"]
    quantizer = explorer.quantizer()
    for factor in (0.98, 1.02):
        quantizer.level_interval.data.mul_(factor)
        assert quantization_error(weights, quantizer.encode(weights), quantizer.levels())["mse"] > best
        quantizer.level_interval.data.div_(factor)


def test_dampening_pulls_weights_without_changing_a_code(readouts):
    explorer = intervals(randn(20_000))
    explorer.state = explorer.state | {"moment": 61}
    before = readouts(explorer)
    explorer.state = explorer.state | {"moment": 101}
    after = readouts(explorer)
    assert after["occupancy"] == before["occupancy"]
    assert after["near"] < before["near"] and after["mse"] < before["mse"]


EXTREMES = {
    "one weight": torch.tensor([0.3]),
    "one weight that is 0": torch.zeros(1),
    "all equal": torch.full((1000,), -0.2),
    "all 0": torch.zeros(1000),
    "NaN among them": torch.cat([randn(100), torch.tensor([float("nan")])]),
    "infinity among them": torch.cat([randn(100), torch.tensor([float("inf")])]),
    "huge": randn(1000, scale=1e30),
    "tiny": randn(1000, scale=1e-30),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", list(EXTREMES))
@pytest.mark.parametrize("kind", list(GRIDS))
def test_extreme_weights_give_numbers_and_a_sentence(name, kind, javascript, readouts):
    explorer = intervals(EXTREMES[name])
    explorer.set(quantizer=kind, bits=4)
    found = readouts(explorer)
    assert found["mse"] >= 0 and sum(found["occupancy"]) == pytest.approx(1)
    message = explorer.answer_layer(explorer.state, "weights")
    words = {"one": "one weight", "all": "weights are equal", "NaN": "left out", "inf": "left out"}
    expected = next((text for start, text in words.items() if name.startswith(start)), "")
    assert expected in message["sentence"]
    read = "const s = await unpacked(given); return [s.size, s.below(Infinity)[0]]"
    size, counted = javascript(read, message)
    summary = explorer.summary("weights")
    finite = EXTREMES[name][torch.isfinite(EXTREMES[name])]
    assert (size, counted) == (len(finite), len(finite))
    assert (summary.values[0], summary.values[-1]) == (
        pytest.approx(float(finite.min())),
        pytest.approx(float(finite.max())),
    )
    json.dumps(found, allow_nan=False)


def test_an_interval_of_0_acts_as_the_smallest_step(readouts):
    explorer = intervals(randn(1000))
    explorer.set(start="free", th=0.0, le=0.0)
    found = readouts(explorer)
    assert np.isfinite(found["mse"]) and found["occupancy"][0] + found["occupancy"][-1] > 0.99


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_with_weights_that_are_no_numbers_is_shown_with_a_sentence(tmp_path, suffix, readouts):
    state = {name: randn((8, 16)) for name in ("whole.weight", "torn.weight", "lost.weight")}
    state["torn.weight"][0, :3] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    state["lost.weight"].fill_(float("nan"))
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    explorer = intervals(tmp_path / f"a.{suffix}")
    sentences = {layer: explorer.answer_layer(explorer.state, layer)["sentence"] for layer in explorer.layers}
    assert sentences == {
        "whole": "",
        "torn": "3 of 128 weights are NaN or infinite and left out.",
        "lost": "none of the 128 weights is finite: find where NaN or infinity came from",
    }
    explorer.set(layer="torn")
    assert readouts(explorer)["mse"] > 0 and sentences["torn"] in explorer.static_html()


def test_a_network_whose_intervals_are_no_numbers_is_shown_without_them(net):
    quantized = quantize(copy.deepcopy(net), weights=LSQ(2))
    weight_sites(quantized)["conv2"].quantizer.step.data.fill_(float("nan"))
    explorer = intervals(quantized, "conv2")
    assert explorer.layers["conv2"].learned is None and explorer.layers["conv3"].learned is not None
    explorer.static_html()


@pytest.mark.parametrize("weights", [torch.full((5,), float("nan")), torch.empty(0)])
def test_without_a_finite_weight_there_is_a_sentence_instead_of_an_error(weights):
    explorer = intervals(weights)
    assert explorer.data["summaries"]["weights"].keys() == {"sentence"}
    explorer.static_html()
    with pytest.raises(ValueError, match=r"there are no weights|none of the 5 weights is finite"):
        explorer.quantizer()


def test_a_page_carries_layers_until_it_is_full(monkeypatch):
    source = {f"layer{i}.weight": randn((100, 500), seed=i) for i in range(4)}
    explorer = intervals(source, layer="layer2")
    assert list(explorer.static_data()["summaries"]) == ["layer2", "layer0", "layer1", "layer3"]
    one = sum(len(v) for v in explorer._message("layer2").values() if isinstance(v, bytes))
    monkeypatch.setattr(explorer_module, "STATIC", int(2.5 * one))
    assert list(explorer.static_data()["summaries"]) == ["layer2", "layer0"]
    monkeypatch.setattr(explorer_module, "STATIC", 1)
    assert list(explorer.static_data()["summaries"]) == ["layer2"]


@pytest.mark.parametrize("kind", list(GRIDS))
def test_export_draws_the_state_and_records_it(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    explorer = intervals(randn(3000))
    explorer.set(quantizer=kind, bits=3)
    explorer.answer_export(explorer.state, "shown", readouts=["mean squared error: 0.1"])
    record = json.loads((tmp_path / "figures" / "shown.json").read_text())["parameters"]
    quantizer = explorer.quantizer()
    assert record["quantizer"] == kind and record["bits"] == 3
    assert record["threshold_step"] == pytest.approx(float(quantizer.thresholds().diff()[0]), rel=1e-4)
    assert record["readouts"] == ["mean squared error: 0.1"]
    assert (record["start"], record["moment"], record["unit"]) == ("own", None, explorer.summary("weights").sigma)
    left, middle, right = explorer.figure(explorer.state).axes
    assert len(right.patches) == 8 and left.get_xlabel() == middle.get_xlabel() == "weight $w$"
