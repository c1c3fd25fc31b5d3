"""The page: complete, self-contained, escaped, and as wide as the screen it is shown on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml

from e1bind.metrics.catalog import metric_plugins
from e1bind.metrics.thresholds import choose_threshold, threshold_text
from e1bind.report.page import mean_and_spread, number
from e1bind.report.run import draw_fold, draw_run, redraw
from e1bind.report.run_page import write_report
from e1bind.report.rundata import Measures, load
from e1bind.runs.reader import read_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<script>alert('1')</script>&\"{{ 7 * 7 }}"
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Tags with attributes, visible text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def edited_summary(run: Path, change: Callable[[dict], None]) -> None:
    summary = json.loads((run / "summary.json").read_text())
    change(summary)
    (run / "summary.json").write_text(json.dumps(summary))


def test_the_page_holds_every_section_and_table(report):
    assert report.name == "report.html"
    page = Page(report.read_text(encoding="utf-8"))
    assert page.open == []
    for words in (
        "demo-20260101-000000-abcd",
        "E1 tiny, random weights",
        "These numbers show that the pipeline runs",
        "ZN: sim_pos is -0.21 while auprc is stable",
        "Out-of-fold results",
        "Folds, each at its best epoch",
        "mean ± sd",
        "7 of 8",
        "Some chains, residue by residue",
        "Prototype diagnostics",
        "Monitored metric: hra",
        'output_dir = "results"',
        "e1bind-losses/nt-xent",
        "e1bind-losses 0.1.0",
        '"torch": "2.15.0"',
    ):
        assert words in page.text, words
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 4 + 2 * (5 + 3)
    assert all(image["alt"] for image in images)


def test_numbers_on_the_page_are_those_of_the_summary(make_run):
    run = make_run()
    edited_summary(run, lambda s: s["oof"]["ZN"]["metrics"].update(auprc=0.12345, hra=0.00123, auroc=None))
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "auprc 0.123 auroc — hra 0.0012" in text


def test_the_figures_show_the_numbers_of_the_table(make_run, figures):
    """Curves, histogram and threshold figure against the summary and the thresholds that the tables are made of."""
    run = make_run()
    write_report(run)
    oof = json.loads((run / "summary.json").read_text())["oof"]["ZN"]
    chosen = yaml.safe_load((run / "global_thresholds.yaml").read_text())["ZN"]
    labels, lines = {}, {}
    for figure in figures:
        for axes in figure.axes:
            for line in axes.lines:
                labels[str(line.get_label())] = line
                lines[axes.get_xlabel(), str(line.get_label())] = line
    assert f"all folds, AUPRC {oof['metrics']['auprc']:.3f}" in labels
    assert f"all folds, AUROC {oof['metrics']['auroc']:.3f}" in labels
    mark = labels[f"threshold {threshold_text(oof['threshold'])} (youden)"]
    place = float(mark.get_xdata()[0])
    assert 1 / (1 + np.exp(-place)) == pytest.approx(oof["threshold"])
    axis = "threshold on the probability, spaced by its logit"
    for name, shown in (("recall", "recall"), ("f1", "F1"), ("mcc", "MCC"), ("youden", "Youden's J")):
        curve = lines[axis, shown]
        at_mark = np.interp(place, curve.get_xdata(), curve.get_ydata())
        assert at_mark == pytest.approx(chosen["metrics"][name], abs=0.03), name
    monitored = lines["epoch", "ZN"]
    rows = [row for row in load(run).rows if row["split"] == "valid"]
    last = [row["hra"] for row in rows if row["epoch"] == 8]
    assert monitored.get_ydata()[-1] == pytest.approx(np.mean(last))


def test_the_head_tells_when_how_and_on_what_the_run_was_trained(make_run):
    run = make_run()
    assert "begun" not in Page(write_report(run).read_text(encoding="utf-8")).text
    line = {"device": "CPU, 2 threads", "processes": 1}
    sessions = [
        {
            **line,
            "started": "2026-01-01T10:00:00+00:00",
            "command": "e1bind train /h/x/a.toml",
            "seconds": 3725.0,
        },
        {**line, "started": "2026-01-02T10:00:00+00:00", "command": None, "seconds": None},
    ]
    (run / "sessions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in sessions))
    alone = {**line, "started": "2026-01-03T10:00:00+00:00", "command": "e1bind train --fold 2", "seconds": 60.0}
    (run / "fold_2").mkdir(exist_ok=True)
    (run / "fold_2" / "sessions.jsonl").write_text(json.dumps({**alone, "processes": 4}) + "\n")
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "begun 2026-01-01 10:00:00 UTC" in text
    assert "trained for 1 h 3 min in 2 sessions and 1 that ended without a word" in text
    assert "device CPU, 2 threads; 4 x CPU, 2 threads" in text
    assert "torch 2.15.0" in text
    assert "e1bind train …/a.toml e1bind train --fold 2" in text
    (run / "sessions.jsonl").write_text("{")
    assert "begun 2026-01-03" in Page(write_report(run).read_text(encoding="utf-8")).text


def test_figures_are_written_in_other_formats_too_those_of_folds_where_they_are_wanted(make_run):
    run = make_run(folds=2)
    redraw(run, ["svg", "pdf"])
    assert not (run / "fold_1" / "plots").exists()
    names = sorted(file.name for file in (run / "plots").iterdir())
    pictures = [name for name in names if name.endswith(".png")]
    assert names == sorted(f"{Path(n).stem}.{e}" for n in pictures for e in ("png", "svg", "pdf"))
    assert (run / "plots" / "pr_ZN.svg").read_text().count("<svg") == 1
    assert (run / "plots" / "pr_ZN.pdf").read_bytes().startswith(b"%PDF")
    redraw(run, folds=True)
    for fold in (1, 2):
        assert (run / f"fold_{fold}" / "plots" / "pr_ZN.png").exists()


def test_nothing_is_loaded_from_elsewhere(report):
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png;base64,", "#")), value
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search(r"https?://", text)
    policy = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_every_link_leads_to_a_section_of_the_page(report):
    page = Page(report.read_text(encoding="utf-8"))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert len(links) == 6
    assert {link.removeprefix("#") for link in links} <= ids


def test_what_comes_from_files_is_text_never_markup(make_run):
    run = make_run()
    (run / "spec.toml").write_text(f"# {EVIL}\n")
    (run / "overrides.txt").write_text(f"run.seed={EVIL}\n")
    (run / "environment.json").write_text(json.dumps({EVIL: EVIL}))
    source = dict.fromkeys(("component", "target", "distribution", "version", "entry_point", "module"), EVIL)
    (run / "plugins.json").write_text(json.dumps({EVIL: source}))
    entries = yaml.safe_load((run / "global_thresholds.yaml").read_text())
    entries[EVIL] = entries["ZN"]
    (run / "global_thresholds.yaml").write_text(yaml.safe_dump(entries))

    def poison(summary):
        summary.update(run_id=EVIL, backbone=EVIL, warnings=[EVIL])
        summary["oof"]["ZN"].update(undefined=[EVIL])
        for row in (summary["oof"]["ZN"], *summary["folds"]):
            row["metrics"][EVIL] = 0.5
        summary["oof"][EVIL] = summary["oof"]["ZN"]
        summary["data"][EVIL] = summary["data"]["ZN"]
        summary["folds"] += [{**row, "ion": EVIL} for row in summary["folds"]]
        summary["ions"].append(EVIL)

    edited_summary(run, poison)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count("<script>alert('1')</script>") > 10
    assert "{{ 7 * 7 }}" in page.text


def test_figures_stay_in_the_plots_folder_whatever_ions_and_proteins_are_called(make_run):
    run = make_run(["../../ZN"])
    before = set(run.parent.parent.rglob("*"))
    write_report(run)
    new = set(run.parent.parent.rglob("*")) - before
    assert {path.parent for path in new} <= {run, run / "plots"}


def test_texts_that_are_gone_are_left_out(make_run):
    run = make_run()
    for name in ("spec.toml", "plugins.json", "environment.json"):
        (run / name).unlink()
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "The spec as it was written is not shown" in text
    assert "e1bind-losses" not in text


def test_folders_of_absolute_paths_are_left_out(make_run):
    run = make_run()
    (run / "spec.toml").write_text('train = "/home/someone/secret/ZN_train.fasta"\nmsa = "relative/msa"\n')
    (run / "overrides.txt").write_text("run.output_dir=/scratch/someone/results\n")
    text = write_report(run).read_text(encoding="utf-8")
    assert "someone" not in text
    assert "…/ZN_train.fasta" in text
    assert "relative/msa" in text


def test_writing_again_gives_the_same_bytes_and_leaves_no_temporary_file(report):
    first = report.read_bytes()
    assert write_report(report.parent).read_bytes() == first
    assert not list(report.parent.rglob("*.tmp"))


def test_the_engines_entry_draws_what_is_in_memory(make_run):
    run = make_run()
    data = load(run)
    stored = read_run(run)
    (run / "oof_preds.npz").unlink()
    known = data.oof["label"] >= 0
    chosen = choose_threshold(data.oof["probability"][known], data.oof["label"][known], "f1")
    text = Page(draw_run(stored, data.oof, {"ZN": chosen}).read_text(encoding="utf-8")).text
    assert "maximises f1" in text


def test_the_band_of_the_hra_and_the_bins_of_the_reliability_are_the_runs(make_run):
    run = make_run()
    assert "recall 0.7 and above" in Page(write_report(run).read_text(encoding="utf-8")).text
    names = ("pr_ZN.png", "reliability_ZN.png")
    before = [(run / "plots" / name).read_bytes() for name in names]
    resolved = json.loads((run / "spec.resolved.json").read_text())
    resolved["metrics"] |= {"hra": {"use": "e1bind-core/hra", "min_recall": 0.5}, "ece": {"bins": 4}}
    (run / "spec.resolved.json").write_text(json.dumps(resolved))
    assert "recall 0.5 and above" in Page(write_report(run).read_text(encoding="utf-8")).text
    for name, was in zip(names, before, strict=True):
        assert (run / "plots" / name).read_bytes() != was, name


def test_a_folds_plots_are_of_that_fold_only(make_run, tmp_path):
    data = load(make_run(["ZN", "CA"]))
    known = data.oof["label"] >= 0
    found = choose_threshold(data.oof["probability"][known], data.oof["label"][known], "f1")
    chosen = {"ZN": found.to_dict(), "CA": found.to_dict()}
    pictures = draw_fold(tmp_path / "a", data.rows, data.oof, 2, chosen, Measures())
    assert {path.name for path in (tmp_path / "a").iterdir()} == {picture.file.name for picture in pictures}
    assert len(pictures) == 3 + 2 * 5
    only = {name: column[data.oof["fold"] == 2] for name, column in data.oof.items()}
    rows = [row for row in data.rows if row["fold"] == 2]
    draw_fold(tmp_path / "b", rows, only, 2, chosen, Measures())
    for picture in pictures:
        assert picture.file.read_bytes() == (tmp_path / "b" / picture.file.name).read_bytes()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (float("nan"), "—"),
        (0.0, "0.000"),
        (0.12349, "0.123"),
        (0.00123, "0.0012"),
        (-0.00123, "-0.0012"),
        (12345, "12,345"),
        (1.0, "1.000"),
    ],
)
def test_numbers_are_written_for_readers(value, shown):
    assert number(value) == shown


def test_spread_over_folds():
    assert mean_and_spread([0.1, 0.3]) == "0.200 ± 0.141"
    assert mean_and_spread([0.1]) == "0.100"
    assert mean_and_spread([]) == "—"


@pytest.fixture
def wide(make_run):
    """A report of three ions, five folds and as many metrics as come with e1bind."""
    run = make_run(["ZN", "CA", "MG"], folds=5, proteins=20)
    names = [plugin.name for plugin in metric_plugins()]

    def more(summary):
        for row in (*summary["oof"].values(), *summary["folds"]):
            row["metrics"] |= {name: 0.12345 for name in names if name not in row["metrics"]}

    edited_summary(run, more)
    return write_report(run)


def measured_in_browser(page: Path, folder: Path, width: int) -> list[int]:
    """Widths of content, view and window; images that show; tables that are wider than their place."""
    measured = (
        "root.scrollWidth, root.clientWidth, innerWidth, shown.length, "
        "[...document.querySelectorAll('.table')].filter(table => table.scrollWidth > table.clientWidth).length"
    )
    probe = (
        "<script>addEventListener('load', () => { const root = document.documentElement;"
        "const shown = [...document.images].filter(image => image.naturalWidth > 0);"
        f"parent.postMessage([{measured}], '*') }})</script></body>"
    )
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<meta http-equiv=[^>]*>", "", text).replace("</body>", probe)
    (folder / "page.html").write_text(text, encoding="utf-8")
    (folder / "frame.html").write_text(
        f"<body><iframe src='page.html' style='width:{width}px;height:2000px;border:0'></iframe>"
        "<script>addEventListener('message', event => document.title = event.data.join(' '))</script></body>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000"]
    command = [CHROMIUM, *flags, f"--user-data-dir={folder / 'profile'}", "--window-size=1500,2100", "--dump-dom"]
    url = (folder / "frame.html").as_uri()
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<title>([\d ]+)</title>", done.stdout)
    assert found is not None, done.stderr
    return [int(value) for value in found[1].split()]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_nothing_reaches_beyond_the_screen_and_every_figure_shows(report, tmp_path, width):
    content, visible, inner, images, _ = measured_in_browser(report, tmp_path, width)
    assert (content, inner, images) == (visible, width, 20)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
def test_on_a_desktop_every_table_fits_its_card_with_three_ions_and_all_metrics(wide, tmp_path):
    content, visible, _, _, cut = measured_in_browser(wide, tmp_path, 1400)
    assert (content, cut) == (visible, 0)
