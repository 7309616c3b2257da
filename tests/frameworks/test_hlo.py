"""Kernels and fusions are read from the text of XLA's programs, the same for every framework that XLA compiles for."""

from __future__ import annotations

from gpugap.frameworks.hlo import counted, launches

HLO = """HloModule jit_f, is_scheduled=true
%fused_computation (param_0: f32[4]) -> f32[4] {
  %param_0 = f32[4]{0} parameter(0)
  %constant.1 = f32[] constant(2)
  %broadcast.1 = f32[4]{0} broadcast(%constant.1), dimensions={}
  ROOT %multiply.1 = f32[4]{0} multiply(%param_0, %broadcast.1)
}
%wrapped_add_computation (param_0.1: f32[4]) -> f32[4] {
  %param_0.1 = f32[4]{0} parameter(0)
  ROOT %add.1 = f32[4]{0} add(%param_0.1, %param_0.1)
}
%parallel_fusion (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  ROOT %fusion.2 = f32[4]{0} fusion(%p), kind=kLoop, calls=%fused_computation
}
ENTRY %main.5 (a.1: f32[4]) -> (f32[4], (f32[4], s32[])) {
  %a.1 = f32[4]{0:T(256)} parameter(0)
  %fusion.1 = (f32[4]{0}, /*index=1*/s32[]) fusion(%a.1), kind=kLoop, calls=%fused_computation
  %get-tuple-element.1 = f32[4]{0} get-tuple-element(%fusion.1), index=0
  %wrapped_add = f32[4]{0} fusion(%get-tuple-element.1), kind=kLoop, calls=%wrapped_add_computation
  %call = f32[4]{0} call(%wrapped_add), to_apply=%parallel_fusion
  %custom-call.3 = f32[4]{0} custom-call(%call), custom_call_target="__cublas$gemm"
  ROOT %tuple.1 = (f32[4]{0}, (f32[4]{0}, s32[])) tuple(%custom-call.3, %call)
}
"""


def test_launches_are_counted_in_optimized_hlo():
    assert launches(HLO) == (4, 2)  # a fusion of one operation is none; what is called counts as if it stood there


def test_programs_are_added_up():
    assert counted([HLO, HLO]) == {"kernels": 8, "fused": 4, "source": "optimized HLO"}


def test_fusions_that_a_library_computes_are_told():
    config = 'kind=kCustom, calls=%fused_computation, backend_config={"fusion_config":{"kind":"__ynn_fusion"}}'
    found = counted([HLO.replace("kind=kLoop, calls=%fused_computation", config)])
    assert (found["kernels"], found["fused"]) == (4, 2)
    assert "a CPU library at once counts as one" in found["source"]
