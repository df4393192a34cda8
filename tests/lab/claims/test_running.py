"""A budget from end to end on a tiny problem: what is kept, what is made again, what is put in whose place."""

import json

import numpy as np
import pandas as pd
import pytest

from aoqlab.lab import claims
from aoqlab.lab.claims import experiments as plans
from aoqlab.lab.claims import running, toy_runs
from aoqlab.lab.cli import commands as cli
from aoqlab.lab.cli.reproduce import listing
from aoqlab.lab.toy.problem import RegressionProblem

TINY = RegressionProblem(n_weights=40, n_samples=20, batch_size=10, epochs=25)


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    """An empty project whose smallest budget is a tiny toy problem with a few of the variants."""
    wanted = ("aoq", "lsq", "aoq frozen weights", "aoq no dampening", "aoq held levels", "aoq coupled")
    whole = plans._toy("tiny", TINY, 10)
    few = tuple(v for v in whole.variants if v.name in wanted)
    tiny = plans.Experiment("tiny", "toy", "a tiny problem", 10, few, TINY)
    monkeypatch.setattr(running, "experiments", lambda budget, images: [tiny])
    monkeypatch.setattr(running, "_jobs", lambda jobs, gpu: 1)  # what is patched below is so in this process alone
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    return tmp_path


RATIO = "oscillation-is-not-exploration"  # divides by crossings, of which a tiny run may have none


@pytest.fixture
def trained(monkeypatch):
    """The seeds that are really trained."""
    seeds = []
    train = toy_runs.run_ensemble

    def counted(configs, these, *rest, **options):
        seeds.extend(these)
        return train(configs, these, *rest, **options)

    monkeypatch.setattr(toy_runs, "run_ensemble", counted)
    return seeds


def test_everything_is_kept_and_read_back(root):
    results = claims.reproduce(quiet=True)
    stored = claims.load()
    for name in ("claims", "statistics", "differences", "runs", "history"):
        pd.testing.assert_frame_equal(getattr(stored, name), getattr(results, name))
    found = results.claims.set_index("claim")
    assert {"local-search", "dampening-helps", "decoupling-stabilises"} <= set(found.index)
    assert "oscillation-not-noise" not in found.index  # its runs are no part of this budget
    assert set(found["verdict"]) <= {"reproduced", "not reproduced", "undecided"}
    assert (found.drop(RATIO)["n"] == 10).all()
    assert found.loc["local-search", "family"] == "exploration"
    assert found["date"].notna().all()
    info = results.info["quick/tiny"]
    assert info["seeds"] == 10
    assert info["judged"]["versions"]["torch"]
    assert all(len(info["made"][name]) == 1 for name in ("commit", "processor", "torch"))
    assert (results.runs.loc[results.runs["variant"] != "lossless", "made"] >= "2026").all()
    assert len(results.runs) == 6 * 10 + 10  # the lossless solution of every seed too


def test_statistics_match_the_runs():
    results = claims.reproduce(quiet=True)
    runs = results.runs.pivot(index="seed", columns="variant", values="explored_volume")
    expected = runs["aoq"] - runs["lsq"]
    own = results.differences[results.differences["claim"] == "local-search"]
    own = own[own["statistic"].str.startswith("explored volume, AOQ - LSQ, at the same")]
    np.testing.assert_allclose(own.set_index("seed")["difference"], expected)
    row = results.claims[results.claims["claim"] == "local-search"].iloc[0]
    assert row["effect"] == pytest.approx(expected.mean())


def test_a_second_call_trains_nothing_and_one_more_seed_only_that_seed(trained):
    first = claims.reproduce(quiet=True)
    assert sorted(trained) == list(range(10))
    trained.clear()
    again = claims.reproduce(quiet=True)
    assert trained == []
    pd.testing.assert_frame_equal(again.claims, first.claims)
    more = claims.reproduce(seeds=11, quiet=True)
    assert trained == [10]
    assert (more.claims.set_index("claim").drop(RATIO)["n"] == 11).all()


def test_an_interrupted_call_resumes(trained, monkeypatch):
    train = toy_runs.run_ensemble

    def interrupted(configs, seeds, *rest, **options):
        if seeds[0] == 4:
            raise KeyboardInterrupt
        return train(configs, seeds, *rest, **options)

    monkeypatch.setattr(toy_runs, "run_ensemble", interrupted)
    with pytest.raises(KeyboardInterrupt):
        claims.reproduce(quiet=True)
    assert trained == [0, 1, 2, 3]
    monkeypatch.setattr(toy_runs, "run_ensemble", train)
    claims.reproduce(quiet=True)
    assert trained == list(range(10))


def test_one_claim_needs_only_its_runs_and_leaves_the_others_alone():
    one = claims.reproduce(claims=["dampening-helps"], quiet=True)
    assert set(one.runs["variant"]) == {"aoq", "aoq no dampening", "lossless"}
    assert one.claims["claim"].tolist() == ["dampening-helps"]
    both = claims.reproduce(claims=["local-search"], quiet=True)
    assert both.claims["claim"].tolist() == ["local-search", "dampening-helps"]  # in the order of the registry
    assert both.claims["family_size"].tolist() == [2, 2]
    assert not both.runs.duplicated(["budget", "data", "variant", "seed"]).any()
    whole = claims.reproduce(quiet=True)
    assert not whole.claims.duplicated(["claim", "data", "budget"]).any()
    assert not whole.runs.duplicated(["budget", "data", "variant", "seed"]).any()


def test_what_is_unknown_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown claim 'magic'; there are deep-basin"):
        claims.reproduce(claims=["magic"])
    with pytest.raises(ValueError, match="no data set 'mnist'; it has tiny"):
        claims.reproduce(data=["mnist"])
    with pytest.raises(ValueError, match="seeds must be a whole number of at least 1, got 0"):
        claims.reproduce(seeds=0)
    with pytest.raises(ValueError, match="unknown budget 'huge'"):
        plans.experiments("huge")
    with pytest.raises(FileNotFoundError, match=r"bash run\.sh reproduce"):
        claims.load()


def test_a_disk_that_is_full_leaves_the_stored_results(monkeypatch):
    before = claims.reproduce(quiet=True)

    def full(table, *rest, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pd.DataFrame, "to_parquet", full)
        with pytest.raises(OSError, match="nothing was changed"):
            claims.reproduce(quiet=True)
    pd.testing.assert_frame_equal(claims.load().claims, before.claims)


def test_the_command_prints_every_verdict(capsys, root):
    assert cli.main(["reproduce", "--no-report"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    results = claims.load()
    for row in results.claims.itertuples():
        assert row.claim in printed
        assert f"{row.effect:+.3g} [{row.low:+.3g}, {row.high:+.3g}] {row.unit}" in printed
    assert json.loads((root / "data/results/claims.json").read_text())["quick/tiny"]["title"] == "a tiny problem"


def test_the_command_lists_claims_with_what_decides_them():
    text = " ".join(listing().split())
    for claim in claims.CLAIMS.values():
        assert claim.id in text
        assert all(part.statistic in text for part in claim.parts)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--claim", "magic"], "unknown claim 'magic'"),
        (["--data", "mnist"], "no data set 'mnist'"),
        (["--seeds", "0"], "seeds must be a whole number of at least 1"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, words, said):
    assert cli.main(["reproduce", *words]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_ctrl_c_says_how_to_resume(monkeypatch, capsys):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(claims, "reproduce", stop)
    assert cli.main(["reproduce"]) == 130
    assert "the same command makes the others" in capsys.readouterr().err
