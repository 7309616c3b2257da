"""Measured tables: what is read, what is refused and with which column named."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_samples import ADD, IMAGE, LINEAR, MODEL, NODE, table

from gpugap.catalog import gpu
from gpugap.core.errors import BadTable, UnknownName
from gpugap.study.scoring.cases import Devices, Whole, cases
from gpugap.study.scoring.tables import TABLE_KINDS, read_table


def read(tmp_path, rows, **options):
    return read_table(table(tmp_path / "t.csv", rows), **options)


def cases_of(tmp_path, *rows):
    found = read(tmp_path, rows)
    return list(cases(found, range(found.count), Devices()))


@pytest.mark.parametrize(("row", "kind"), [(LINEAR, "ops"), (NODE, "nodes"), (MODEL, "models"), (IMAGE, "images")])
def test_columns_tell_the_kind_and_others_are_ignored(tmp_path, row, kind):
    found = read(tmp_path, [{"weather": "fine", **row}, row])
    assert (found.kind, found.count) == (kind, 2)
    case = next(cases(found, range(2), Devices()))
    assert (case.row, case.file, case.table, case.reason) == (1, "t.csv", kind, "")
    assert case.work is not None


def test_a_kind_that_is_told_wins(tmp_path):
    assert read(tmp_path, [{**NODE, **LINEAR}], kind="ops").kind == "ops"
    assert read(tmp_path, [{**NODE, **LINEAR}]).kind == "nodes"
    with pytest.raises(UnknownName, match="nodes"):
        read(tmp_path, [LINEAR], kind="knots")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"gpu": "T4", "op_kind": "add", "latency": 1}], ("'latency_s'", "'latency'", "seconds")),
        ([{"gpu": "T4", "op_kind": "add", "latency_ms": 1}], ("'latency_s'", "'latency_ms'", "seconds")),
        ([{"op_kind": "add", "latency_s": 1}], ("'gpu'",)),
        ([{"gpu": "T4", "op_kind": "add", "latency_s": "soon"}], ("'latency_s'", "no number")),
        ([{**IMAGE, "step_time_s": ""}], ("'step_time_s'", "no number")),
        ([{key: value for key, value in MODEL.items() if key != "d_ffn"}], ("'d_ffn'",)),
        ([{"a": 1}], ("no column tells", "op_kind")),
    ],
)
def test_what_cannot_be_used_names_the_column(tmp_path, rows, words):
    with pytest.raises(BadTable) as raised:
        read(tmp_path, rows)
    assert "\n" not in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def test_empty_tables(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("gpu,op_kind,latency_s\n")
    with pytest.raises(BadTable, match="column 'latency_s' is empty"):
        read_table(path)
    path.write_text("")
    with pytest.raises(BadTable, match="no column tells"):
        read_table(path)
    with pytest.raises(BadTable, match="'gpu'"):
        read_table(path, "ops")
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadTable, match="neither Parquet nor CSV"):
        read_table(path)
    with pytest.raises(BadTable, match="cannot read"):
        read_table(tmp_path / "missing.csv")


def test_parquet_is_read_as_csv_is(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [LINEAR, {**LINEAR, "latency_s": None}]
    columns = {name: [row[name] for row in rows] for name in LINEAR}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    listed = list(cases(found, range(2), Devices()))
    assert listed[0].work == cases_of(tmp_path, LINEAR)[0].work
    assert "latency_s is zero" in listed[1].reason
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(BadTable, match="no Parquet file"):
        read_table(tmp_path / "broken.parquet")


@pytest.mark.parametrize("value", [0, -1e-5, "nan", "inf", ""])
def test_times_that_are_none_are_counted(tmp_path, value):
    good, bad = cases_of(tmp_path, ADD, {**ADD, "latency_s": value})
    assert (good.reason, good.measured_s) == ("", 1e-5)
    assert bad.reason == "latency_s is zero, negative, NaN or missing"
    assert bad.measured_s is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({**LINEAR, "gpu": "Voodoo 2"}, "device not in the catalog: Voodoo 2"),
        ({**LINEAR, "gpu": "A100"}, "GPU 'A100' could be any of a100-"),
        ({**LINEAR, "op_kind": "fft"}, "unknown operator kind fft"),
        ({**LINEAR, "gemm_k": ""}, "without gemm_k"),
        ({**MODEL, "option": "fusion"}, "option fusion is not modeled"),
        ({**MODEL, "architecture": "MambaForCausalLM", "model": "mamba"}, "MambaForCausalLM"),
        ({**MODEL, "n_layer": 0}, "n_layer"),
        ({**MODEL, "phase": "distillation"}, "phase distillation"),
        ({**IMAGE, "compiled": True}, "torch.compile is not modeled"),
        ({**IMAGE, "precision": "int8"}, "precision int8"),
        ({**IMAGE, "img_size_px": "large"}, "img_size_px"),
        ({**NODE, "forward_ops": "[['Teleport', (1, 2)]]", "backward_ops": "[]", "accumulate_ops": "[]"}, "cannot be"),
        ({**NODE, "op_kind": "getitem"}, "runs no kernel"),
    ],
)
def test_what_is_not_known_is_counted_with_its_reason(tmp_path, row, words):
    found = cases_of(tmp_path, row)
    assert words in found[0].reason
    assert len(found) == 1


def test_a_node_is_a_case_a_phase(tmp_path):
    found = cases_of(tmp_path, NODE)
    assert [(case.phase, case.measured_s, len(case.work)) for case in found] == [
        ("forward", 1e-5, 1),
        ("backward", 2e-5, 2),
        ("accumulate", 3e-6, 1),
    ]
    passed_on = {**NODE, "op_kind": "VECadd", "backward_ops": "[['MEM', ((64, 32),)]]"}
    assert "backward" not in [case.phase for case in cases_of(tmp_path, passed_on)]


def test_what_a_node_runs_where_its_list_is_wrong(tmp_path):
    alone = {**NODE, "backward_ops": "[]", "accumulate_ops": "[]"}
    masked = {"op_kind": "VECadd", "forward_ops": "[['VECadd', (64, 32)]]", "input_shapes": "[(2, 32, 32), (1,)]"}
    assert cases_of(tmp_path, {**alone, **masked})[0].work[0].read_bytes == 4 * (2048 + 1)
    listed = {"op_kind": "EMBEDDING", "forward_ops": "[['MEM', ((2, 8), (2, 8, 16))]]", "output_shape": "(2, 8, 16)"}
    table = cases_of(tmp_path, {**alone, **listed})[0].work[0]
    assert (table.kind, table.read_bytes, table.written_bytes) == ("embedding", 1024, 1024)
    both = {**NODE, "accumulate_ops": "[['VECadd', [1, 512]], ['VECadd', [1, 32]]]"}
    assert len(cases_of(tmp_path, both)[2].work) == 1
    assert len(cases_of(tmp_path, {**both, "op_kind": "VECln"})[2].work) == 2


def test_whole_models_become_recipes(tmp_path):
    image = cases_of(tmp_path, IMAGE)[0]
    assert image.work == Whole(image.work.recipe, 64, channels_last=True)
    recipe = image.work.recipe
    assert (recipe.name, recipe.mode, recipe.modern, recipe.precision) == ("resnet18", "train", False, "fp16")
    assert cases_of(tmp_path, {**IMAGE, "torch_version": "2.4.0"})[0].work.recipe.modern
    assert image.gpu == gpu("rtx-3090")
    rows = [{**IMAGE, "arch": "repvgg_b0", "torch_version": version} for version in ("2.4.0", "2.9.1")]
    assert [case.work.recipe.merged for case in cases_of(tmp_path, *rows)] == [False, True]
    newer = {**IMAGE, "torch_version": "2.4.0"}
    assert (
        cases_of(tmp_path, newer)[0].work.recipe == cases_of(tmp_path, {**newer, "device": "H100 PCIe"})[0].work.recipe
    )
    older = cases_of(tmp_path, {**newer, "device": "Tesla T4", "precision": "amp_bfloat16"})[0].work
    assert (older.recipe.capability, older.half) == ((7, 5), "bfloat16")
    switch = cases_of(tmp_path, {**MODEL, "architecture": "SwitchTransformersForConditionalGeneration", "n_experts": 4})
    assert dict(switch[0].work.recipe.sizes)["experts"] == 4
    assert dict(cases_of(tmp_path, MODEL)[0].work.recipe.sizes) == {
        "layers": 2, "width": 64, "heads": 4, "inner": 256, "vocabulary": 100, "length": 16, "experts": 0,
    }  # fmt: skip


def test_versions_are_no_numbers_and_both_passes_make_the_whole(tmp_path):
    newest = {**IMAGE, "arch": "repvgg_b0", "torch_version": "2.10"}
    assert cases_of(tmp_path, newest)[0].work.recipe.merged
    parts = {key: value for key, value in MODEL.items() if key != "measured_total_s"}
    forward, both = (
        {**parts, "measured_forward_s": 0.2},
        {**parts, "measured_forward_s": 0.2, "measured_backward_s": 0.3},
    )
    assert cases_of(tmp_path, forward)[0].measured_s == pytest.approx(0.2)
    rows = [{**both, "phase": "training"}, {**both, "phase": "training", "measured_backward_s": ""}]
    whole, lacking = cases_of(tmp_path, *rows)
    assert (whole.measured_s, lacking.measured_s) == (pytest.approx(0.5), None)


def test_image_tables_in_other_spellings(tmp_path):
    row = {key: value for key, value in IMAGE.items() if key not in ("arch", "step_time_s", "device")}
    row |= {"model": "resnet18.a1_in1k", "samples_per_s": 640, "gpu": "RTX 4090"}
    case = cases_of(tmp_path, row)[0]
    assert (case.work.recipe.name, case.measured_s, case.gpu.key) == ("resnet18", pytest.approx(0.1), "rtx-4090")


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(("gpu", "op_kind", "latency_s", "rows", "row_len", "dtype", "phase", "noise")),
            st.one_of(st.integers(-3, 2**40), st.floats(), st.sampled_from(("add", "T4", "nan", "", "1e9", "a,b"))),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from((None, *TABLE_KINDS)),
)
def test_any_table_is_scored_or_refused_in_one_line(tmp_path_factory, rows, kind):
    path = table(tmp_path_factory.mktemp("any") / "t.csv", rows)
    try:
        found = read_table(path, kind)
    except BadTable as error:
        assert "\n" not in str(error)
        return
    for case in cases(found, range(found.count), Devices()):
        assert case.reason or (case.work is not None and math.isfinite(case.measured_s) and case.measured_s > 0)
