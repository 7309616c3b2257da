"""Tables on terminals of every width: no word cut, nothing repeated, kind and n in every row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import make_cell, make_record
from gpugap.cli.outcome import show_cells, show_pairs
from gpugap.cli.output import Output
from gpugap.cli.tables import Table, drawn
from gpugap.core.record import Record
from gpugap.explain.cells import summarize
from gpugap.explain.pairs import baseline_pairs

NETWORKS = ("conv6@32", "vgg16@32", "resnet18@32", "cyclegan@256")
WIDTHS = (80, 100, 120, 160)


def study(devices: tuple[str, ...] = ("cpu",)) -> Iterator[Record]:
    """Four networks, two modes, the CPU as it comes and tuned, and other devices."""
    sides = [("cpu", "fp32", "default", 1.0), ("cpu", "bf16", "tuned-basic", 0.6)]
    sides += [(device, "fp32", "default", 0.02) for device in devices if device != "cpu"]
    for place, network in enumerate(NETWORKS, start=1):
        for mode, batch in (("train", 128), ("inference", 32)):
            for device, precision, tuning, factor in sides:
                factors = {"device": device, "precision": precision, "tuning": tuning, "framework": "torch"}
                of = make_cell(workload=network, mode=mode, batch=batch, **factors)
                for process in range(3):
                    yield make_record(process, cell=of, times=[place * factor * (1 + 0.01 * process)] * 5)


@pytest.fixture(params=[("cpu",), ("cpu", "cuda:0")], ids=["cpu", "gpu"])
def printed(request, monkeypatch, capsys):
    """What the tables of cells and of comparisons look like at a width."""
    summaries = summarize(study(request.param))

    def at(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        output = Output("study")
        show_cells(summaries, output)
        show_pairs(baseline_pairs(summaries), output)
        return capsys.readouterr().out.splitlines()

    return at


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_too_long_and_no_word_is_cut(printed, width):
    lines = printed(width)
    assert max(map(len, lines)) <= width
    known = {word for line in printed(400) for word in line.split()}
    known |= {f"{name}," for name in (*NETWORKS, "train", "inference")} | {"→"}
    assert {word for line in lines for word in line.split() if not word.startswith("─")} <= known


@pytest.mark.parametrize("width", WIDTHS)
def test_every_row_has_its_kind_and_shared_words_stand_once(printed, width):
    lines = printed(width)
    sides = 3 if any("cuda:0" in line for line in lines) else 2
    cells, pairs = 8 * sides, 8 * (1 if sides == 2 else 3)
    assert sum("MEASURED" in line for line in lines) == cells + pairs
    for network in NETWORKS:
        assert 2 <= sum(network in line for line in lines) <= 4, "once a table, or once a mode"
    assert sum("torch" in line for line in lines) == 2, "in the titles alone"
    start = next(place for place, line in enumerate(lines) if line.startswith("Speedup of B over A"))
    rows = [line for line in lines[:start] if "MEASURED" in line]
    assert all(line.split("converged")[0].removesuffix("not ").split()[-1] == "3" for line in rows), "n in every row"


NARROW = """\
Mean steady step time (torch; n: processes)
   setup                 step time   95 % interval  n  status     kind
 ─────────────────────────────────────────────────────────────────────────
 conv6@32, train, batch 8
   cpu fp32 default         101 ms   98.5 – 104 ms  3  converged  MEASURED
   cpu bf16 tuned-basic    60.6 ms  59.1 – 62.1 ms  3  converged  MEASURED
   cuda:0 fp32 default     10.1 ms  9.85 – 10.4 ms  3  converged  MEASURED

Speedup of B over A (torch; time of A / time of B)
   A (base)                      speedup  verdict on B         n        kind
   → B                     95 % interval  reason
 ───────────────────────────────────────────────────────────────────────────────
 conv6@32, train, batch 8
   cpu fp32 default                1.67×  faster               3 pairs  MEASURED
   → cpu bf16 tuned-basic    1.67 – 1.67  interval excludes 1
   cpu fp32 default                10.0×  faster               3 pairs  MEASURED
   → cuda:0 fp32 default     10.0 – 10.0  interval excludes 1
   cpu bf16 tuned-basic            6.00×  faster               3 pairs  MEASURED
   → cuda:0 fp32 default     6.00 – 6.00  interval excludes 1

"""
WIDE = """\
Mean steady step time (torch, cpu; n: processes)
 network   mode       batch  setup             step time   95 % interval  samples/s  n  status     kind
 ──────────────────────────────────────────────────────────────────────────────────────────────────────────
 conv6@32  train        128  fp32 default         1.01 s  0.985 – 1.04 s        127  3  converged  MEASURED
                             bf16 tuned-basic     606 ms    591 – 621 ms        211  3  converged  MEASURED
           inference     32  fp32 default         1.01 s  0.985 – 1.04 s       31.7  3  converged  MEASURED
                             bf16 tuned-basic     606 ms    591 – 621 ms       52.8  3  converged  MEASURED

 vgg16@32  train        128  fp32 default         2.02 s   1.97 – 2.07 s       63.4  3  converged  MEASURED
                             bf16 tuned-basic     1.21 s   1.18 – 1.24 s        106  3  converged  MEASURED
           inference     32  fp32 default         2.02 s   1.97 – 2.07 s       15.8  3  converged  MEASURED
                             bf16 tuned-basic     1.21 s   1.18 – 1.24 s       26.4  3  converged  MEASURED

"""


def test_a_narrow_table_is_exactly_this(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    sides = (("cpu", "fp32", "default", 0.1), ("cpu", "bf16", "tuned-basic", 0.06), ("cuda:0", "fp32", "default", 0.01))
    records = [
        make_record(
            n, cell=make_cell(framework="torch", device=d, precision=p, tuning=t), times=[s * (1 + n / 100)] * 3
        )
        for d, p, t, s in sides
        for n in range(3)
    ]
    summaries = summarize(records)
    show_cells(summaries, Output("study"))
    show_pairs(baseline_pairs(summaries), Output("study"))
    assert capsys.readouterr().out == NARROW


def test_a_wide_table_is_exactly_this(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    show_cells(summarize([record for record in study() if record.cell.workload in NETWORKS[:2]]), Output("study"))
    assert capsys.readouterr().out == WIDE


def lines_of(table: Table, width: int) -> list[str]:
    return [text.plain for text in drawn(table, width, {})]


WORDS = st.text(st.sampled_from("abc→é×字"), min_size=1, max_size=9)
TEXTS = st.lists(WORDS, max_size=4).map(" ".join)


@given(
    st.lists(st.lists(TEXTS, min_size=4, max_size=4), min_size=1, max_size=6), st.integers(1, 100), st.integers(0, 2)
)
def test_whatever_the_width_every_word_stays_whole(rows, width, heads):
    table = Table(("one", "two", "three", "four"), rows, frozenset({"four"}), heads)
    found = " ".join(lines_of(table, width)).replace(",", " ").split()
    assert {word for row in rows for text in row for word in text.split()} <= set(found)


def test_a_text_is_wrapped_between_words():
    rows = [("a", "several words of a longer text", "1")]
    assert lines_of(Table(("name", "text", "n"), rows, frozenset({"n"})), 24) == [
        " name  text           n",
        " ──────────────────────",
        " a     several words  1",
        "       of a longer",
        "       text",
    ]


def test_columns_give_way_one_layout_after_the_other():
    rows = [("net", "train", "first", "1 s", "10", "x"), ("net", "train", "second", "2 s", "20", "y")]
    header = ("network", "mode", "setup", "time", "rate", "note")
    table = Table(header, rows, frozenset({"time", "rate"}), 2, frozenset({"rate"}), {"time": ("→ ", "note")})
    layouts = [lines_of(table, width) for width in (41, 40, 26, 20)]
    assert layouts[0][2:] == [" net      train  first    1 s    10  x", "                 second   2 s    20  y"]
    assert layouts[1][2:] == [" net, train", "   first    1 s    10  x", "   second   2 s    20  y"]
    assert layouts[2][2:] == [" net, train", "   first    1 s  x", "   second   2 s  y"]
    stacked = ["   first      1 s", "              → x", "   second     2 s", "              → y"]
    assert layouts[3][3:] == [" net, train", *stacked]
    assert all(max(map(len, one)) >= max(map(len, two)) for one, two in pairwise(layouts))


def test_where_no_layout_fits_every_row_names_its_columns():
    table = Table(("GPU", "step time", "kind"), [("Tesla T4", "111 ms", "PREDICTED"), ("H100", "", "MEASURED")])
    assert lines_of(table, 21) == [
        " Tesla T4",
        "   step time 111 ms ·",
        "   kind PREDICTED",
        "",
        " H100",
        "   kind MEASURED",
    ]


def test_a_table_without_rows_has_its_header():
    assert lines_of(Table(("a", "b"), []), 80) == [" a  b", " ────"]


def test_styles_do_not_change_the_text():
    table = Table(("status",), [("failed",)])
    (*_, text) = drawn(table, 80, {"failed": "red"})
    assert text.plain == " failed" and [str(span.style) for span in text.spans] == ["red"]
