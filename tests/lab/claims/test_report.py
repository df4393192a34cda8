"""The report says what the tables say, and its page needs nothing but itself."""

import base64
import dataclasses
import hashlib
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aoqlab.lab.claims import CLAIMS, FAMILIES, Results, load, report, report_page, views
from aoqlab.lab.claims.experiments import experiments
from aoqlab.lab.claims.results import FILES, INFO
from aoqlab.lab.claims.verdicts import evaluate, settle_all
from aoqlab.lab.cli.reproduce import _plain
from aoqlab.lab.shared.notebooks import WIDGET

FAMILY = {claim.id: family for family, claims in FAMILIES.items() for claim in claims}

COLUMNS = ("error", "crossings", "crossings_shrink", "crossings_widen", "crossings_dampen", "oscillating_calmed")
COLUMNS += (
    "explored_volume",
    "explored_after",
    "changed_share",
    "hamming_share",
    "levels_visited",
    "returns",
    "overlap",
)
COLUMNS += ("widen_correlation", "widen_calmed", "widen_growth", "movement", "detrended_movement", "reversal_rate")
COLUMNS += ("found_deep", "lag1_correlation", "true_codes", "oscillations_shrink", "oscillations_dampen")
ORIGIN = {"date": "2026-01-31", "processor": "Abacus", "cores": 2, "device": "CPU", "torch": "2.0", "commit": "0"}
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1))"
COURSE = ("aoq", "lsq", "aoq shrink_min=1", "aoq no dampening", "aoq held levels", "aoq coupled", "aoq frozen weights")


def invented(experiment, budget):
    """Runs and their course over training, with numbers of a generator's."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "variant": variant.name,
            "method": "lsq" if variant.name.startswith("lsq ") else variant.name.split()[0],
            "lr": getattr(variant.config, "lr", 0.2),
            "seed": seed,
            "steps": 1000,
            "groups": "|".join(sorted(variant.groups)),
            **dict(zip(COLUMNS, rng.uniform(0.5, 1.5, len(COLUMNS)), strict=True)),
        }
        for variant in experiment.variants
        for seed in range(experiment.seeds)
    ]
    of = {"data": experiment.data, "budget": budget}
    runs = pd.DataFrame(rows).replace({"method": {"noise": "aoq"}}).assign(**of)
    course = runs.loc[runs["variant"].isin(COURSE), ["variant", "seed", "crossings", "explored_volume"]]
    course = course.assign(oscillating_share=0.1, level_interval=1.0).merge(
        pd.DataFrame({"progress": [0, 0.5, 1.0]}), "cross"
    )
    return runs, course.assign(**of)


def made(budget):
    tables = {name: [] for name in FILES}
    for experiment in experiments(budget):
        runs, course = invented(experiment, budget)
        verdicts, statistics, differences = evaluate(experiment, runs, CLAIMS.values())
        families = verdicts["claim"].map(FAMILY)
        verdicts = verdicts.assign(kind=experiment.kind, title=experiment.title, family=families, **ORIGIN)
        for name, table in zip(FILES, (verdicts, statistics, differences, runs, course), strict=True):
            tables[name].append(table.assign(data=experiment.data, budget=budget))
    found = {name: pd.concat(frames, ignore_index=True) for name, frames in tables.items()}
    return Results(**{**found, "claims": settle_all(found["claims"])}, info={})


@pytest.fixture(scope="module")
def results():
    return made("quick")


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    where = tmp_path_factory.mktemp("results")
    for name, file in FILES.items():  # text as others might have stored it
        table = getattr(results, name).replace({"data": {"digits-cnn": EVIL}})
        stored = [column for column in ("title", "reason", "unit", "processor", "edge") if column in table]
        table.assign(**dict.fromkeys(stored, EVIL)).to_parquet(where / file)
    (where / INFO).write_text("{}")
    return where


def with_claims(results, **columns):
    return dataclasses.replace(results, claims=results.claims.assign(**columns))


def test_the_table_has_a_row_per_claim_and_data_set_and_each_sentence_once(results):
    table = report.markdown_table(results.claims)
    lines = table.splitlines()
    assert len(lines) == 2 + len(results.claims)
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    for claim in CLAIMS.values():
        assert table.count(claim.sentence) == 1


def test_the_larger_budget_stands_for_a_data_set(results):
    larger = results.claims.assign(budget="full", effect=9.0)
    table = report.markdown_table(pd.concat([results.claims, larger]).sample(frac=1, random_state=0))
    assert table.count("+9 [") == len(results.claims) == len(table.splitlines()) - 2


@pytest.mark.parametrize(("needed", "said"), [(12.0, "about 12"), (np.inf, "more than 1000"), (np.nan, "more than ")])
def test_undecided_rows_say_how_many_seeds_would_settle_them(results, needed, said):
    rows = results.claims.assign(verdict="undecided", seeds_needed=needed)
    assert all(said in line.split(" | ")[-1] for line in report.markdown_table(rows).splitlines()[2:])


def test_differences_by_rounding_alone_are_none(results):
    table = report.markdown_table(results.claims.assign(effect=2e-15, low=-1e-15, high=1.0, mark=0.0))
    assert table.count("| +0 [+0, +1] ") == len(results.claims)


def test_decided_rows_ask_for_no_seeds(results):
    rows = results.claims.assign(verdict="reproduced")
    assert all(
        re.search(rf"✓ reproduced{report.EDGE}? \|  \|$", line) for line in report.markdown_table(rows).splitlines()[2:]
    )


def test_the_text_says_where_the_numbers_come_from(results):
    text = report.table_text(results, report.grid_table)
    assert "Measured 2026-01-31 on Abacus, 2 cores, torch 2.0; budgets: quick." in text
    assert report.grid_table(results.claims) in text
    assert text != report.table_text(with_claims(results, effect=0.5), report.grid_table)


def test_the_protocol_knows_no_results():
    for claim in CLAIMS.values():
        text = report.protocol(claim)
        assert claim.sentence in text
        assert all(f"*{part.statistic}*" in text for part in (*claim.parts, *claim.also))
        assert not re.search("reproduced|undecided", text)


def test_findings_are_told_for_every_data_set_with_the_reason(results):
    claim = CLAIMS["local-search"]
    text = report.findings_of(with_claims(results, verdict="undecided", reason="so few claims"), claim)
    judged = results.claims.loc[results.claims["claim"] == claim.id, "data"].nunique()
    assert text.count("? **undecided**") == text.count("; so few claims.") == judged > 1
    none = dataclasses.replace(results, claims=results.claims[results.claims["claim"] != claim.id])
    assert "Not tried" in report.findings_of(none, claim)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_would_change_our_mind_names_every_verdict_of_the_family(results, family):
    for verdict in ("undecided", "reproduced"):
        lines = report.change_of_mind(with_claims(results, verdict=verdict), family).splitlines()
        told = [line for line in lines if line.startswith("- `")]
        assert len(told) == results.claims["claim"].isin([claim.id for claim in FAMILIES[family]]).sum()


def test_what_was_not_tried_is_computed(results):
    text = report.untried(results)
    assert "budget *cpu*" in text
    assert "budget *full*" in text
    assert "budget *quick*" not in text
    assert "GPU" in text
    left_out = dataclasses.replace(results, claims=results.claims[results.claims["claim"] != "figure-2"])
    assert "`figure-2`" in report.untried(left_out)
    assert "`figure-2`" not in text


def test_the_headline_counts_verdicts_per_data_set(results):
    text = report.headline(with_claims(results, verdict="reproduced"))
    for data, own in results.claims.groupby("data"):
        assert f"- On {data}: {len(own)} reproduced" in text
    assert "undecided" not in text


def test_evidence_shows_every_comparison_on_every_data_set(results):
    for claim in CLAIMS:
        own = results.statistics[results.statistics["claim"] == claim]
        figure = views.evidence(results, claim)
        assert len(figure.axes) == own["statistic"].nunique() * own["data"].nunique()
        assert sum(ax.axison for ax in figure.axes) == len(own)


def test_panels_leave_out_what_has_no_rows_and_count_what_has_no_value(results):
    holed = results.runs.assign(error=results.runs["error"].mask(results.runs["seed"] == 0, np.inf))
    toys = dataclasses.replace(results, runs=holed)
    choose = lambda runs: runs[(runs["variant"] == "aoq") & (runs["data"] == "toy-reduced")]  # noqa: E731
    _, panels = views.panels(toys, "runs", choose, needs=["error"])
    ((data, (ax, rows)),) = panels.items()
    assert (data, len(rows)) == ("toy-reduced", 9)
    assert ax.get_title() == "toy-reduced, n = 9\n1 runs without a finite value"
    figure, panels = views.panels(results, "runs", lambda runs: runs[:0])
    assert panels == {}
    assert figure.axes[0].texts[0].get_text() == "no runs of these are stored"


def test_the_best_setting_at_a_rate_has_no_failed_run(results):
    runs = views.largest(results.runs, "toy-reduced")
    best = views.best_per_rate(runs)
    assert (best.groupby(["method", "lr"])["variant"].nunique() == 1).all()
    failed = best["variant"].iloc[0]
    again = views.best_per_rate(runs.assign(error=runs["error"].mask(runs["variant"] == failed, np.inf)))
    assert failed not in set(again["variant"])


@pytest.mark.parametrize("data", ["toy-reduced", "digits-cnn"])
def test_the_worth_of_crossings_is_what_the_claim_compares(results, data):
    found = views.worth_of_crossings(views.largest(results.runs, data))
    assert set(found["method"]) == {"lsq", "aoq"}
    np.testing.assert_allclose(
        found["per_crossing"], found["explored_volume"] / (found["crossings"] * found["steps"] / 1000), rtol=1e-12
    )
    asked = found[found["variant"].isin(["lsq", "aoq"])].pivot(index="seed", columns="method", values="per_crossing")
    own = results.differences[results.differences["data"] == data]
    own = own[own["statistic"] == "explored volume per crossing, AOQ / LSQ"].set_index("seed")["difference"]
    np.testing.assert_allclose(np.log2(asked["aoq"] / asked["lsq"]), own, rtol=1e-9)


def test_the_worth_of_no_crossing_is_unknown(results):
    runs = views.largest(results.runs, "digits-cnn")
    assert views.worth_of_crossings(runs.assign(crossings=0.0))["per_crossing"].isna().all()


@pytest.mark.parametrize(("values", "wide"), [([1, 6], True), ([1, 4], False), ([0, 6], False), ([-1, 6], False)])
def test_a_logarithmic_scale_is_for_positive_values_far_apart(values, wide):
    assert views.wide(pd.Series(values)) is wide


def test_a_variant_says_its_shrink_factor_or_has_the_published_one():
    variants = pd.Series(["aoq", "aoq shrink_min=0.5", "aoq shrink_min=1 lr=0.01"])
    assert views.shrink_mins(variants, 0.3).tolist() == [0.3, 0.5, 1.0]


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_page, "NOTEBOOKS", ("00_overview", "07_decoupling"))
        return report.html(folder, tmp_path_factory.mktemp("page") / "report.html")


def scripts(text):
    """The explorers' scripts, which bring all they need."""
    return re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)


def test_the_page_fetches_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert len(scripts(text)) == text.count("<script") == 2
    assert not re.search(r"\b(?:fetch|import|XMLHttpRequest|WebSocket)\b *[(\"{]|https?://", "".join(scripts(text)))
    for tag in re.findall(r"<(?:link|img|iframe|source|object)\b[^>]*>", text):
        assert re.search(r'\b(?:src|href)="data:', tag), tag[:200]
    assert not re.search(r"@import|url\(", text)
    assert text.count('src="data:image/png;base64,') >= 4


def test_stored_text_is_no_markup_and_no_other_script_would_run(page):
    text = page.read_text(encoding="utf-8")
    markup = re.sub("<script.*?</script>", "", text, flags=re.DOTALL)
    assert markup.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10
    assert not re.search(r"<img src=x|href=.javascript", markup)
    (policy,) = re.findall(
        r'<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="(.*?)">', text
    )
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts(text)]
    assert "default-src 'none'" in policy
    assert sorted(re.findall(r"'sha256-(\S+)'", policy)) == sorted(digests)
    assert "'unsafe-inline'" not in re.search(r"script-src[^;]*", policy)[0]


def test_stored_text_is_told_unchanged(results):
    shown = [
        report.findings_of(with_claims(results, reason=EVIL), CLAIMS["local-search"]),
        report.table_text(with_claims(results, title=EVIL, unit=EVIL)),
        report.change_of_mind(with_claims(results, reason=EVIL, verdict="undecided"), "stages"),
        report.headline(with_claims(results, data=EVIL)),
        report.untried(with_claims(results, data=EVIL)),
    ]
    for text in shown:
        assert "<" not in text and EVIL in _plain(text.replace("**", "")).replace("\n  ", " ")


def test_the_page_has_contents_and_folds_its_code(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r'href="#([^"]+)"', text)
    assert {"00_overview", "07_decoupling"} <= set(targets)
    assert all(f'id="{target}"' in text for target in targets)
    ids = re.findall(r'<[^>]+\bid="([^"]+)"', re.sub("<script.*?</script>", "", text, flags=re.DOTALL))
    assert sorted(ids) == sorted(set(ids))
    assert text.count("<details") == text.count("<summary>code") > 5
    assert all(re.search(r'\balt="[^"]{10,}"', tag) for tag in re.findall(r"<img\b[^>]*>", text))


def test_explorers_keep_their_page_and_lose_their_widget(page):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r'<div data-aoq-page="', text)) == len(scripts(text)) == 2
    assert "widget-view" not in text


def test_ids_are_told_apart_in_markup_and_scripts_are_left_alone():
    inline = '<script type="module">const row = (a) => a<b && \' id="x"\' + \'href="05_exploration.ipynb"\';</script>'
    cells = [new_markdown_cell("# Why?\n\n[next](05_exploration.ipynb)")]
    html = {"text/html": f'<p id="own">p</p>{inline}'}
    noise = new_output("stream", name="stderr", text="a warning")
    widget = new_output("display_data", data={WIDGET: {"model_id": "m"}, "text/plain": "gone"})
    cells.append(new_code_cell("1", outputs=[noise, widget, new_output("display_data", data=html)]))
    body = report_page._body(new_notebook(cells=cells), "00_overview")
    assert inline in body
    assert '<p id="00_overview--own">' in body and body.count(' id="x"') == 1
    assert 'href="#05_exploration"' in body
    assert "a warning" not in body and "gone" not in body


def test_an_error_in_a_notebook_says_which(folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / INFO).unlink()
    with pytest.raises(FileNotFoundError, match="reproduce"):
        load(broken)
    with pytest.raises(RuntimeError, match=r"00_overview.ipynb could not be run.*reproduce"):
        report.html(broken, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_grid_has_a_row_for_each_claim_and_a_column_for_each_data_set(results):
    lines = report.grid_table(
        results.claims[~((results.claims["claim"] == "figure-2") & (results.claims["data"] == "digits-cnn"))]
    )
    head, _, *rows = (line.strip("| ").split(" | ") for line in lines.splitlines())
    assert head == ["claim", *views.one_each(results.claims)["data"].unique()]
    assert [row[0].split("`")[1] for row in rows] == list(CLAIMS)
    assert all(len(row) == len(head) for row in rows)
    assert [row[head.index("digits-cnn")] for row in rows if "`figure-2`" in row[0]] == ["not tried"]
    assert {cell for row in rows if "`deep-basin`" in row[0] for cell in row[2:]} == {"–"}  # landscape alone
    own = results.claims.iloc[0]
    edge = report.EDGE if own["edge"] else ""
    assert f"**{own['verdict']}**{edge} {own['effect']:+.3g} [{own['low']:+.3g}, {own['high']:+.3g}]" in lines


def test_seeds_that_say_otherwise_are_those_against_the_verdict(results):
    rows = results.claims[results.claims["family"] == "decoupling"].assign(agree=2, n=6)
    for verdict, otherwise in (("reproduced", 4), ("not reproduced", 2)):
        changed = dataclasses.replace(results, claims=rows.assign(verdict=verdict))
        assert f"{otherwise} of 6 seeds say otherwise" in report.change_of_mind(changed, "decoupling")
