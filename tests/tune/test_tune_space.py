"""Which settings are tried on which ground, and why others are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.core.setting import Setting
from gpugap.tune.space import BASE, FREED_KEPT, ORDER, Arm, Choice, Ground, space_of

GROUND = Ground(
    framework="torch",
    device="cpu",
    mode="train",
    precision="fp32",
    execution="eager",
    cores=(0, 2, 4, 6, 1, 3, 5, 7),
    usable_cores=6,
    physical_cores=4,
    fast_cores=None,
    native_bf16=True,
    allocators=("tcmalloc",),
    own_allocator="system",
    libc="glibc 2.36",
    compiler=None,
    takes_workers=False,
    details={},
    found={"threads": 64, "memory_format": "contiguous"},
)


def names(**changes) -> list[str]:
    return [one.name for one in space_of(replace(GROUND, **changes)).choices]


def reasons(**changes) -> dict[str, str]:
    return {one.name: one.why for one in space_of(replace(GROUND, **changes)).left_out}


def test_a_cpu_has_every_dimension():
    found = space_of(GROUND)
    expected = {"precision", "layout", "execution", "threads", "denormals", "allocator"}
    assert {one.dimension for one in found.choices} == expected
    assert {one.dimension for one in found.choices} <= set(ORDER)
    assert [one.name for one in found.left_out] == ["jemalloc"]
    assert "apt install libjemalloc2" in found.left_out[0].why


def test_threads_keep_to_the_container_and_take_physical_cores_first():
    threads = [one for one in space_of(GROUND).choices if one.dimension == "threads"]
    bound = {dict(one.fields)["cores"] for one in threads if "cores" in dict(one.fields)}
    assert bound == {(0, 2, 4, 6, 1, 3), (0, 2, 4, 6)}
    assert {dict(one.fields)["threads"] for one in threads} == {6, 4, 1}


def test_fast_cores_alone_are_tried():
    threads = [one for one in space_of(replace(GROUND, fast_cores=2)).choices if one.dimension == "threads"]
    assert {dict(one.fields)["threads"] for one in threads} == {6, 4, 2, 1}
    assert (0, 2) in {dict(one.fields).get("cores") for one in threads}


def test_the_baselines_own_threads_are_not_tried_again():
    assert "6 threads" in names()
    assert "6 threads" not in names(found={"threads": 6})


def test_emulated_bf16_is_refused():
    assert "bf16 autocast" not in names(native_bf16=False)
    assert "emulated" in reasons(native_bf16=False)["bf16 autocast"]


def test_no_compiler_leaves_compiling_out():
    assert [name for name in names() if "compile" in name] == [
        "torch.compile",
        "torch.compile max-autotune-no-cudagraphs",
    ]
    why = "no C++ compiler (g++): apt install g++, or set CXX"
    assert not any("compile" in name for name in names(compiler=why))
    assert reasons(compiler=why)["torch.compile"] == why


def test_a_mode_of_compiling_waits_for_compiling():
    (later,) = [one for one in space_of(GROUND).choices if one.needs]
    assert later.needs == "torch.compile"
    assert (later.execution, dict(later.fields)) == ("compile", {"compile_mode": "max-autotune-no-cudagraphs"})


def test_a_step_without_images_has_no_layout():
    assert "channels-last" not in names(found={"memory_format": None})
    assert "channels-last" not in names(found={"memory_format": "channels_last"})


def test_glibc_can_keep_what_is_freed():
    assert "freed memory kept" in names()
    for other in ({"libc": None}, {"libc": "musl 1.2"}, {"own_allocator": "tcmalloc"}, {"device": "cuda"}):
        assert "freed memory kept" not in names(**other)
    assert not FREED_KEPT.brings_allocator
    (tcmalloc,) = (one for one in space_of(GROUND).choices if one.name == "tcmalloc")
    assert tcmalloc.brings_allocator
    assert Arm((FREED_KEPT,)).having(tcmalloc) == Arm((tcmalloc,))


def test_inference_also_tries_no_grad():
    assert "no_grad in place of inference_mode" in names(mode="inference")
    assert "no_grad in place of inference_mode" not in names()


def test_a_factory_that_takes_workers_has_a_loader():
    workers = [name for name in names(takes_workers=True) if "loader" in name]
    assert workers == ["0 loader workers", "1 loader worker", "2 loader workers", "6 loader workers"]
    assert not any("loader" in name for name in names())


CUDA = {"device": "cuda:0", "details": {"compute_capability": "8.0", "build": "cuda"}}


def test_a_gpu_has_its_own_dimensions():
    found = space_of(replace(GROUND, **CUDA)).choices
    assert {one.name for one in found} >= {"TF32", "bf16 autocast", "fp16 autocast", "channels-last", "torch.compile"}
    assert {one.name for one in found} >= {"torch.compile reduce-overhead", "cuDNN tries its algorithms"}
    assert {one.dimension for one in found} == {"precision", "layout", "execution", "cudnn", "graph"}
    old = names(device="cuda", details={"compute_capability": "7.5", "build": "cuda"})
    assert "fp16 autocast" in old
    assert not {"TF32", "bf16 autocast"} & set(old)
    amd = names(device="cuda", details={"compute_capability": "9.4", "build": "rocm"})
    assert not {"TF32", "CUDA graph of the step"} & set(amd)


def test_an_apple_gpu_has_neither_graphs_nor_tf32():
    found = names(device="mps")
    assert {"bf16 autocast", "fp16 autocast", "channels-last", "torch.compile"} == set(found)


def test_tensorflow_and_jax():
    tensorflow = names(framework="tensorflow", execution="function", details={"onednn": True})
    assert {"XLA", "oneDNN off", "bf16 autocast", "tcmalloc", "6 threads"} <= set(tensorflow)
    assert "channels-last" in reasons(framework="tensorflow", execution="function")
    jax = names(framework="jax", execution="jit")
    assert {"bf16 autocast", "tcmalloc", "6 threads"} <= set(jax)
    assert "jit" in names(framework="jax", execution="op-by-op")


def test_another_precision_than_fp32_is_the_users_choice():
    assert not any("autocast" in name for name in names(precision="bf16"))


CHOICES = st.lists(st.sampled_from(space_of(GROUND).choices), max_size=8)


@given(CHOICES)
def test_an_arm_makes_one_choice_a_dimension_in_one_order(made: list[Choice]):
    arm = BASE
    for one in made:
        arm = arm.having(one)
    dimensions = [one.dimension for one in arm.choices]
    assert dimensions == sorted(set(dimensions), key=ORDER.index)
    assert {one.dimension for one in made} == set(dimensions)
    for one in made:
        assert one.dimension not in [other.dimension for other in arm.without(one.dimension).choices]
    back = BASE
    for one in reversed(arm.choices):
        back = back.having(one)
    assert back == arm


def test_an_arm_changes_the_setting_and_the_mode():
    made = {one.name: one for one in space_of(GROUND).choices}
    arm = Arm((made["channels-last"],)).having(made["torch.compile"]).having(made["bf16 autocast"])
    assert arm.setting(Setting()) == Setting("bf16", channels_last=True)
    assert (arm.execution("eager"), BASE.execution("eager")) == ("compile", "eager")
    assert arm.label == "bf16 autocast + channels-last + torch.compile"


@pytest.mark.parametrize(
    "setting",
    [
        Setting(),
        Setting("bf16", 2, True, "tcmalloc", cores=(0, 1), variables=(("A", "1"),), workers=0),
    ],
)
def test_a_setting_survives_json(setting: Setting):
    import json
    from dataclasses import asdict

    assert Setting.from_dict(json.loads(json.dumps(asdict(setting)))) == setting
