"""Numbers for papers and spreadsheets: exact texts, escaping, and unknown values that stay unknown."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from report_samples import cell, cpu_pair, failure, process

from gpugap.report.exports import FORMATS, render
from gpugap.report.formats import Sheet, comma_separated, latex, markdown

NAME = "a|&50%_=c"


def records():
    """The CPU as it comes and tuned, a process each, and a GPU that failed."""
    bad = replace(failure(cell(NAME, device="cuda:0")), error={"code": "out-of-memory"})
    return [process(cell(NAME), 0, 0.5), process(cell(NAME, tuning="tuned-basic"), 0, 0.25), bad]


PROVENANCE = "gpugap 0.1.0, records of gpugap 0.1.0; sessions: s1; measured 2026-01-02T03:00:00+00:00"
MARKDOWN = rf"""<!-- {PROVENANCE} -->

## Step times

Mean steady step time over processes and the samples a second it makes; n: processes that ended well.

| Work | Cell | Step time | 95 % interval | Throughput | n | Status | Kind |
| --- | --- | ---: | ---: | ---: | ---: | --- | --- |
| a\|&amp;50%\_=c, training | CPU as it comes, batch 128, fp32 | 500 ms | none | 256 /s | 1 | not converged | measured |
| a\|&amp;50%\_=c, training | CPU tuned, batch 128, fp32 | 250 ms | none | 512 /s | 1 | not converged | measured |
| a\|&amp;50%\_=c, training | cuda:0, batch 128, fp32 | unknown | none | unknown | 0 | out-of-memory | measured |
"""
LATEX = r"""\begin{table}[htbp]
\centering\small
\caption{NOTE}
\label{tab:gpugap-step-times}
\begin{tabular}{lrrrrll}
\toprule
Cell & Step time & 95 \% interval & Throughput & n & Status & Kind \\
\midrule
\multicolumn{7}{l}{\textbf{a\textbar{}\&50\%\_=c, training}} \\
CPU as it comes, batch 128, fp32 & 500 ms & none & 256 /s & 1 & not converged & measured \\
CPU tuned, batch 128, fp32 & 250 ms & none & 512 /s & 1 & not converged & measured \\
cuda:0, batch 128, fp32 & unknown & none & unknown & 0 & out-of-memory & measured \\
\bottomrule
\end{tabular}
\end{table}
""".replace(
    "NOTE",
    "Step times. Mean steady step time over processes and the samples a second it makes; n: processes that ended well.",
)
FAILED = (
    "| a\\|&amp;50%\\_=c, training | cuda:0, batch 128, fp32 | 0 | out-of-memory | out-of-memory | unknown | unknown |"
)


def of_this_version(text: str) -> str:
    from gpugap.core.version import __version__

    return text.replace(f"gpugap {__version__}, records", "gpugap 0.1.0, records")


def test_markdown_is_exactly_this():
    found = of_this_version(render(records(), "md"))
    assert found.startswith(MARKDOWN + "\n## Speedups\n")
    assert found.endswith(f"{FAILED}\n")


def test_latex_is_exactly_this():
    found = of_this_version(render(records(), "tex"))
    assert found.startswith(f"% {PROVENANCE}\n% No package is needed")
    assert f"\n\n{LATEX}\n\\begin{{table}}" in found
    assert found.count(r"\begin{table}") == found.count(r"\end{table}") == 3


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_holds_unrounded_numbers_and_nothing_where_unknown():
    rows = table(render(records(), "csv"))
    assert [row["quantity"] for row in rows] == [*["step_time", "throughput"] * 3, "failure", *["speedup"] * 3]
    label = f"{NAME}/train/b128/torch/cpu/fp32/default"
    first = rows[0]
    assert float(first.pop("value")) == pytest.approx(0.5 * 1.0004, rel=1e-12)
    assert first == {
        **dict.fromkeys(("base", "other", "low", "high", "level"), ""),
        **{"quantity": "step_time", "work": label, "unit": "s", "kind": "measured", "n": "1"},
        **{"verdict": "not converged", "method": "one process: spread between processes unknown"},
        **{"sessions": "s1", "gpugap": "0.1.0"},
    }
    failed = [row for row in rows if "cuda:0" in row["work"] + row["other"]]
    assert len(failed) == 5
    assert {row[name] for row in failed for name in ("value", "low", "high", "level")} == {""}
    assert [row["method"] for row in failed if row["quantity"] == "failure"] == ["process 0: out-of-memory"]


def test_every_csv_number_can_be_read_back():
    rows = table(render(cpu_pair(), "csv"))
    assert {row["kind"] for row in rows} == {"measured", "published"}
    for row in (row for row in rows if row["kind"] == "measured"):
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        assert low < value < high and float(row["level"]) == 0.95 and row["n"] == "3"
    speedup = next(row for row in rows if row["quantity"] == "speedup")
    assert float(speedup["value"]) == pytest.approx(2.5025, rel=1e-3) and speedup["verdict"] == "faster"
    published = rows[-1]
    assert (published["low"], published["high"], published["value"], published["n"]) == ("51.0", "116.0", "", "")
    assert "arXiv:2603.20920" in published["method"]


def sheet(text: str) -> Sheet:
    return Sheet("T", "N", "t", ("A", "B"), "ll", [(text, text)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("a&b <i>", r"a&amp;b \<i\>"),
        ("_x_ *y* `z`", r"\_x\_ \*y\* \`z\`"),
        ("[a](b)", r"\[a\](b)"),
        ("two\nlines", "two lines"),
        ("$x$ \\ #1 ~", r"\$x\$ \\ \#1 \~"),
    ],
)
def test_markdown_is_escaped(text, expected):
    assert markdown([sheet(text)], "").endswith(f"\n| {expected} | {expected} |\n")


def test_provenance_cannot_leave_its_comment():
    assert markdown([], "a --> <b>\n\nc") == "<!-- a - - <b  c -->\n"
    assert latex([], "a\nb").startswith("% a b\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\textbar{}b"),
        ("50 % & #1 $x_1$", r"50 \% \& \#1 \$x\_1\$"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("~^<>", r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}"),
        ("[1]*", "{[}1{]}{*}"),
        ("1–2× 10⁻⁹", r"1--2$\times$ 10\textsuperscript{$-$}\textsuperscript{9}"),
        ("gpugap --full", "gpugap -{}-full"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_is_escaped(text, expected):
    body = latex([sheet(text)], "").splitlines()
    assert f"{expected} \\\\" in body
    assert rf"\multicolumn{{1}}{{l}}{{\textbf{{{expected}}}}} \\" in body


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", " =1", "\t=1"])
def test_no_text_of_a_csv_is_a_formula_and_numbers_stay_numbers(text):
    written = comma_separated(("a", "n"), [(text, "-1.5")], frozenset("n"))
    row, number = written.splitlines()[1].rsplit(",", 1)
    assert row.startswith("'") and number == "-1.5"


def test_csv_quotes_what_needs_it():
    assert comma_separated(("a", "b"), [('x,"y"', "z")], frozenset()) == 'a,b\n"x,""y""",z\n'


@pytest.mark.parametrize("form", FORMATS)
def test_no_records_make_no_tables(form):
    found = render([], form)
    assert found.count("\n") <= 4 and "measured" not in found
    assert render(records(), form) == render(records(), form)
