"""The interval explorer in use: rules between its controls, stages, extremes, its numbers."""

import pytest
import torch

from aoqlab import AOQ, quantize
from aoqlab.lab import models
from aoqlab.lab.explorers import intervals
from aoqlab.lab.explorers.interval_explorer import explorer as explorer_module
from aoqlab.surgery import weight_sites

SLIDERS = ("bits", "th", "le", "alpha", "near", "move", "moment")


def randn(n=100_000):
    return torch.randn(n, generator=torch.Generator().manual_seed(0)) * 0.05


def move_everything(hand):
    """Every slider by keyboard and by drag, every menu and the box; picture and numbers change with each."""
    seen_pictures, seen_numbers = hand.pictures(), hand.numbers()

    def changed(name, picture=True, numbers=True):
        nonlocal seen_pictures, seen_numbers
        pictures, now = hand.pictures(), hand.numbers()
        assert (pictures != seen_pictures) or not picture, f"{name} left the picture as it was"
        assert (now != seen_numbers) or not numbers, f"{name} left the numbers as they were"
        seen_pictures, seen_numbers = pictures, now

    for name in SLIDERS:
        hides = name in ("near", "move")  # about the numbers alone
        hand.press(
            name, "ArrowLeft" if name == "alpha" else "ArrowRight", 8 if name in ("th", "le", "alpha", "moment") else 1
        )
        changed(f"{name} by keyboard", picture=not hides)
        hand.drag(name)
        changed(f"{name} by drag", picture=not hides)
    assert hand("le").is_disabled()  # the levels learn
    hand.press("moment", "Home")
    changed("training back at its begin")
    hand.press("alpha", "ArrowLeft", 8)  # otherwise AOQ mid-tread with equal intervals has LSQ's numbers
    changed("alpha once more")
    hand.press("bits", "Home")
    changed("few bits")  # where quantizers differ most
    for kind in ("aoq-mid-tread", "lsq", "statsq", "aoq-mid-rise"):
        hand("quantizer").select_option(kind)
        changed(kind)
        assert hand("th").is_disabled() == (kind == "statsq")
        assert hand("le").is_disabled() == (kind in ("lsq", "statsq"))
    hand("start").select_option("own")
    changed("start")
    hand.drag("th", 0.5, 0.8)
    changed("th once more")
    hand.press("locked", "Space")
    changed("lock")
    assert hand("th").input_value() == hand("le").input_value()
    hand.press("le", "ArrowLeft", 5)
    changed("le, locked")
    assert hand("th").input_value() == hand("le").input_value()


def test_every_control_moves_picture_and_numbers_and_says_when_it_cannot(still, page):
    hand = still(intervals(randn()))
    move_everything(hand)
    assert set(hand.names()) == {"layer", "quantizer", "start", "locked", *SLIDERS}
    assert hand("bits").get_attribute("aria-valuetext") == "2"
    assert page.troubles == []


def test_play_runs_through_the_stages_and_stops(still, page):
    hand = still(intervals(randn()))
    hand.button("^Play").click()
    hand.button("^Pause").wait_for()
    hand.root.locator(".note").filter(has_text="Stage widen").wait_for()
    hand.button("^Play").wait_for()  # it has come to its end
    assert "Stage dampen" in hand.root.locator(".note").inner_text()
    assert hand("moment").input_value() == "101"
    hand.button("^Play").click()
    hand.button("^Pause").click()
    assert hand.button("^Play").is_visible()
    assert page.troubles == []


def test_the_shrink_slider_follows_the_training(still, page):
    hand = still(intervals(randn()))
    hand.press("moment", "End")
    assert hand("alpha").get_attribute("aria-valuetext") == "0.30"
    assert hand._ends("alpha") < 0.5
    hand.press("moment", "Home")
    assert hand("alpha").get_attribute("aria-valuetext") == "1.00"
    assert hand._ends("alpha") == 1
    hand.press("moment", "End")
    hand.press("alpha", "ArrowLeft")
    assert hand("moment").input_value() == "0"
    assert page.troubles == []


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (torch.tensor([0.3]), "There is one weight"),
        (torch.zeros(10), "All 10 weights are equal"),
        (torch.cat([randn(100), torch.tensor([float("nan")])]), "1 of 101 weights are NaN or infinite"),
        (torch.full((4,), float("inf")), "none of the 4 weights is finite"),
    ],
)
def test_extremes_show_a_sentence_and_slide_on(still, page, weights, sentence):
    hand = still(intervals(weights))
    assert sentence in hand.root.locator(".say").inner_text()
    for name in SLIDERS:
        hand.press(name, "Home")
        hand.press(name, "End")
    assert "Not drawn" not in hand.root.locator(".say").inner_text()
    assert page.troubles == []


def test_an_interval_of_0_is_drawn(still, page):
    hand = still(intervals(randn()))
    for name in ("th", "le"):
        hand.press(name, "Home")
    assert "0 σ" in hand("th").locator("xpath=..").inner_text()
    assert hand.root.locator(".say").inner_text() == ""
    assert page.troubles == []


def test_the_numbers_without_a_kernel_match_the_package(still, page, readouts):
    explorer = intervals(randn())
    explorer.set(bits=3, start="free", th=0.4, le=0.6, alpha=0.8)
    hand = still(explorer)
    found, sigma = readouts(explorer), explorer.summary("weights").sigma
    shown = hand.root.locator(".readouts b").all_inner_texts()
    assert float(shown[0].split()[0]) == pytest.approx(found["mse"] / sigma**2, rel=6e-3)  # three digits
    assert float(shown[1].split()[0]) == pytest.approx(found["sqnr"], rel=6e-3)
    assert float(shown[2].split()[0]) == pytest.approx(found["entropy"], rel=6e-3)
    assert float(shown[3].rstrip("%")) / 100 == pytest.approx(found["near"], rel=6e-3)


def test_a_page_without_a_layer_says_so_and_goes_back(still, page, monkeypatch):
    monkeypatch.setattr(explorer_module, "STATIC", 1)
    explorer = intervals({"a.weight": randn((10, 100)), "b.weight": randn((20, 100))}, layer="a")
    hand = still(explorer)
    before = hand.pictures()
    hand("layer").select_option("b")
    hand.root.locator(".say").get_by_text("Layer b: This needs a running kernel").wait_for()
    page.evaluate(
        "() => { const c = CanvasRenderingContext2D.prototype, f = c.clearRect; window.drawn = 0;"
        "c.clearRect = function (...all) { window.drawn += 1; return f.apply(this, all); }; }"
    )
    page.wait_for_timeout(500)
    assert page.evaluate("window.drawn") <= 6, "it draws without an end"
    assert all(canvas.get_attribute("aria-label").endswith("not here") for canvas in hand.root.locator("canvas").all())
    hand("layer").select_option("a")
    assert hand.pictures() == before and hand.root.locator(".say").inner_text() == ""
    assert page.troubles == []


@pytest.fixture(scope="module")
def trained():
    """A network whose levels have moved away from its thresholds."""
    net = models.create("digits_cnn", in_chans=1, image_size=8, pretrained=True).eval()
    quantized = quantize(net, weights=AOQ(3, per_channel=True))
    for site in weight_sites(quantized).values():
        site.quantizer.level_interval.data.mul_(1.6)
        site.quantizer.shrink.fill_(0.5)
    return quantized


def mse(hand, explorer, layer):
    page_text = hand.root.locator(".readouts b").first.inner_text()
    return float(page_text.split()[0]) * explorer.summary(layer).sigma ** 2


def test_trained_intervals_match_the_package_and_of_the_trained_quantizer(still, page, trained, readouts):
    explorer = intervals(trained, "conv2")
    hand = still(explorer)
    assert hand("start").input_value() == "learned" and "means over channels" in hand.root.locator(".note").inner_text()
    assert mse(hand, explorer, "conv2") == pytest.approx(readouts(explorer)["mse"], rel=6e-3)
    for name, value in (("quantizer", "lsq"), ("start", "learned"), ("bits", "2")):
        if name == "bits":
            hand.press("bits", "Home")
        else:
            hand(name).select_option(value)
        explorer.set(**{name: int(value) if name == "bits" else value})
        hand.pictures()
        expected = [explorer.state[name] for name in ("quantizer", "start")]
        assert [hand("quantizer").input_value(), hand("start").input_value()] == expected
        assert hand("bits").get_attribute("aria-valuetext") == str(explorer.value("bits"))
        assert mse(hand, explorer, "conv2") == pytest.approx(readouts(explorer)["mse"], rel=6e-3)
    hand("start").select_option("learned")
    hand("layer").select_option("conv1")  # was not quantized
    hand.pictures()
    assert hand("start").input_value() == "own"
    assert page.troubles == []


def test_another_grid_is_drawn_while_weights_are_pulled(still, page):
    explorer = intervals(randn())
    explorer.set(moment=101)
    hand = still(explorer)
    hand("quantizer").select_option("aoq-mid-tread")
    drawn = hand.pictures()
    explorer.set(quantizer="aoq-mid-tread")
    assert still(explorer).pictures() == drawn


@pytest.mark.parametrize(
    ("weights", "unit", "error", "noise"),
    [
        (torch.zeros(10), "", "1.00", "no signal"),
        (torch.full((10,), 0.25), "|w|", "0.250 |w|²", "6.02 dB"),
        (randn(), "σ", None, "dB"),
    ],
)
def test_units_are_named_and_no_signal_is_told_from_no_noise(still, page, weights, unit, error, noise):
    explorer = intervals(weights)
    explorer.set(th=1.0, le=1.0) if unit == "|w|" else explorer.set(th=1.0, le=2.0)
    hand = still(explorer)
    labels = {
        name: hand(name).locator("xpath=..").locator("label, output").all_inner_texts() for name in ("th", "move")
    }
    assert labels["th"] == [f"thresholds sₜₕ/{unit}" if unit else "thresholds sₜₕ", f"1.00 {unit}".strip()]
    assert labels["move"][1] == f"0.001 {unit}".strip()
    shown = hand.root.locator(".readouts b").all_inner_texts()
    assert shown[0] == error or (error is None and shown[0].endswith("σ²"))
    assert shown[1].endswith(noise)
    assert page.troubles == []
