"""The page: complete, self-contained, escaped, and as wide as the screen it is shown on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from e1bind.metrics.thresholds import choose_threshold
from e1bind.report.html import mean_and_spread, number, write_report
from e1bind.report.run import draw_fold, draw_run
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
    assert "0.123 — 0.0012" in text


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
    chosen = choose_threshold(data.oof["probability"][known], data.oof["label"][known], "f1")
    pictures = draw_fold(tmp_path / "a", data.rows, data.oof, 2, {"ZN": chosen, "CA": chosen}, Measures())
    assert {path.name for path in (tmp_path / "a").iterdir()} == {picture.file.name for picture in pictures}
    assert len(pictures) == 3 + 2 * 5
    only = {name: column[data.oof["fold"] == 2] for name, column in data.oof.items()}
    rows = [row for row in data.rows if row["fold"] == 2]
    draw_fold(tmp_path / "b", rows, only, 2, {"ZN": chosen, "CA": chosen}, Measures())
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


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_nothing_reaches_beyond_the_screen_and_every_figure_shows(report, tmp_path, width):
    text = report.read_text(encoding="utf-8")
    measured = "root.scrollWidth, root.clientWidth, innerWidth, shown.length"
    probe = (
        "<script>addEventListener('load', () => { const root = document.documentElement;"
        "const shown = [...document.images].filter(image => image.naturalWidth > 0);"
        f"parent.postMessage([{measured}], '*') }})</script></body>"
    )
    text = re.sub(r"<meta http-equiv=[^>]*>", "", text).replace("</body>", probe)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f"<body><iframe src='page.html' style='width:{width}px;height:2000px;border:0'></iframe>"
        "<script>addEventListener('message', event => document.title = event.data.join(' '))</script></body>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000"]
    command = [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,2100", "--dump-dom"]
    url = (tmp_path / "frame.html").as_uri()
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<title>(\d+) (\d+) (\d+) (\d+)</title>", done.stdout)
    assert found is not None, done.stderr
    content, visible, inner, images = map(int, found.groups())
    assert (content, inner, images) == (visible, width, 20)
