from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.core.errors import Unsupported
from gpugap.predict.latency.table_ops import TABLE_KINDS, op_of_row, ops_of_decomposition

ROW = dict.fromkeys(("batch", "gemm_m", "gemm_n", "gemm_k", "rows", "row_len", "c_in", "c_out"), 4) | {
    "kernel_size": 3,
    "hw_in_px": 8,
    "hw_out_px": 8,
}
SIZE = st.integers(1, 500)


ODD = st.one_of(st.none(), st.booleans(), st.integers(-3, 2**70), st.floats(), st.text(max_size=3))


@given(st.sampled_from((*TABLE_KINDS, "fft")), st.dictionaries(st.sampled_from((*ROW, "groups", "dtype", "tf32")), ODD))
def test_whatever_a_row_holds_it_is_an_operator_or_a_reason(kind, odd):
    try:
        found = op_of_row({**ROW, **odd, "op_kind": kind})
    except Unsupported as error:
        assert "\n" not in error.message
    else:
        assert found.read_bytes > 0


def test_a_missing_value_is_as_no_value():
    plain = op_of_row({**ROW, "op_kind": "conv"})
    assert op_of_row({**ROW, "op_kind": "conv", "groups": float("nan"), "dtype": float("nan"), "tf32": None}) == plain


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_every_kind_of_a_table_has_an_operator(kind):
    op = op_of_row({**ROW, "op_kind": kind})
    assert op.read_bytes > 0
    assert op.written_bytes > 0
    assert (op.flops > 0) == (op.kind in ("gemm", "conv"))


@given(batch=SIZE, m=SIZE, n=SIZE, k=SIZE)
def test_products_count_two_a_multiply_add_and_every_byte_once(batch, m, n, k):
    op = op_of_row({"op_kind": "bmm", "batch": batch, "gemm_m": m, "gemm_n": n, "gemm_k": k})
    assert op.flops == 2 * batch * m * n * k
    assert op.read_bytes + op.written_bytes == 4 * batch * (m * k + k * n + m * n)
    node = next(ops_of_decomposition([["BMM", (batch, m, k, n)]]))
    assert node == op


def test_a_table_and_a_node_name_the_same_layer():
    row = {"op_kind": "linear", "gemm_m": 5, "gemm_n": 7, "gemm_k": 3}
    assert next(ops_of_decomposition([["Linear", (5, 3, 7)]])) == op_of_row(row)
    assert op_of_row(row).read_bytes == 4 * (5 * 3 + 3 * 7 + 7)


def test_two_tensors_are_read_where_the_table_says_so():
    two, one = (op_of_row({"op_kind": kind, "rows": 3, "row_len": 5}) for kind in ("mul", "mulu"))
    assert (two.name, two.read_bytes, one.read_bytes) == (one.name, 2 * 60, 60)


def test_moved_shapes_are_read_and_the_last_is_written():
    op = next(ops_of_decomposition([["MEM", ((2, 3), (4, 5))]]))
    assert (op.kind, op.read_bytes, op.written_bytes) == ("copy", 24, 80)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"op_kind": "fft"}, "unknown operator kind fft"),
        ({"op_kind": "bmm", "batch": 1, "gemm_m": 2, "gemm_n": 3}, "without gemm_k"),
        ({"op_kind": "bmm", "batch": float("nan"), "gemm_m": 2, "gemm_n": 3, "gemm_k": 4}, "without batch"),
        ({"op_kind": "relu", "rows": 0, "row_len": 3}, "rows is no size"),
        ({"op_kind": "relu", "rows": "many", "row_len": 3}, "rows is no size"),
        ({"op_kind": "relu", "rows": 2.5, "row_len": 3}, "rows is no size"),
        ({"op_kind": "relu", "rows": float("inf"), "row_len": 3}, "rows is no size"),
        ({**ROW, "op_kind": "conv", "groups": 3}, "do not divide"),
        ({"op_kind": "relu", "rows": 1, "row_len": 3, "dtype": "int4"}, "unknown dtype int4"),
    ],
)
def test_a_row_that_cannot_be_read_says_why(row, said):
    with pytest.raises(Unsupported, match=said):
        op_of_row(row)


@pytest.mark.parametrize("items", [[3], [["VECsin", (1, 2)]], [["BMM", (1, 2)]], [["Linear", "abc"]]])
def test_a_part_of_another_form_is_named(items):
    with pytest.raises(Unsupported):
        list(ops_of_decomposition(items))
