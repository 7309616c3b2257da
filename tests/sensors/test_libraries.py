"""What is loaded into a process: its allocator, by name and never by path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from trees import tree

from gpugap.sensors.libraries import (
    allocator,
    hip_is_loaded,
    libc,
    loaded_libraries,
    preloadable_allocators,
    preloaded_libraries,
)

LINE = "7f1c-7f1d r-xp 00000000 fe:00 123    {}\n"
USUAL = "55d0-55d1 r--p 00000000 00:00 0 \n" + LINE.format("[heap]") + LINE.format("/lib/libc.so.6")


def loading(root: Path, *paths: str) -> Path:
    return tree(root, {"proc/self/maps": USUAL + "".join(map(LINE.format, paths))})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/lib/libtcmalloc_minimal.so.4.5.9", "tcmalloc"),
        ("/home/alice/libjemalloc.so.2", "jemalloc"),
        ("/opt/my tools/libmimalloc-secure.so.2.1", "mimalloc"),
        ("/usr/lib/libtcmalloc.so.4 (deleted)", "tcmalloc"),
        ("/usr/lib/libm.so.6", "system"),
        ("/usr/lib/jemalloc/libother.so", "system"),
    ],
)
def test_the_allocator_is_named_from_what_is_loaded(tmp_path: Path, path: str, name: str):
    assert allocator(loading(tmp_path, path)) == name


def test_a_library_that_could_not_be_preloaded_is_not_the_allocator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LD_PRELOAD", "/home/alice/libtcmalloc.so")
    assert allocator(loading(tmp_path)) == "system"
    assert preloaded_libraries() == ["libtcmalloc.so"]


@pytest.mark.parametrize(
    ("variable", "value", "names", "name"),
    [
        ("LD_PRELOAD", "", [], "system"),
        ("LD_PRELOAD", "/a/b/libjemalloc.so.2:libiomp5.so", ["libjemalloc.so.2", "libiomp5.so"], "jemalloc"),
        ("LD_PRELOAD", " /x/libiomp5.so  /y/libtcmalloc.so.4 ", ["libiomp5.so", "libtcmalloc.so.4"], "tcmalloc"),
        ("DYLD_INSERT_LIBRARIES", "/opt/homebrew/lib/libmimalloc.dylib", ["libmimalloc.dylib"], "mimalloc"),
    ],
)
def test_where_the_kernel_does_not_tell_the_preloaded_names_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, names: list[str], name: str
):
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    monkeypatch.setenv(variable, value)
    assert loaded_libraries(tmp_path) is None
    assert preloaded_libraries() == names
    assert allocator(tmp_path) == name


def test_hip_makes_cuda_an_amd_gpu(tmp_path: Path):
    assert not hip_is_loaded(tmp_path)
    assert not hip_is_loaded(loading(tmp_path, "/x/libcudart.so.12"))
    assert hip_is_loaded(loading(tmp_path, "/venv/torch/lib/libamdhip64.so"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's files of Linux")
def test_this_process():
    assert any(name.startswith(("libc.so", "libc-", "ld-musl")) for name in loaded_libraries())
    assert not any("/" in name for name in loaded_libraries())
    assert libc() is None or " " in libc()


@pytest.mark.skipif(sys.platform != "linux", reason="preloads by the loader of Linux")
def test_a_really_preloaded_allocator(tmp_path: Path):
    """A copy of some library, under an allocator's name, is really loaded first."""
    some = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libm.so" in line)
    copy = tmp_path / "libjemalloc.so.2"
    copy.write_bytes(Path(some).read_bytes())
    script = "from gpugap.sensors.libraries import *; print(allocator(), *preloaded_libraries())"
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env={"LD_PRELOAD": str(copy)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert answer.stdout.split() == ["jemalloc", "libjemalloc.so.2"]


def test_allocators_to_preload_are_found_by_the_loaders_names(monkeypatch: pytest.MonkeyPatch):
    installed = {"tcmalloc": "libtcmalloc.so.4", "jemalloc": "libjemalloc.so.2"}
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.util.find_library", installed.get)
    assert preloadable_allocators() == installed
    monkeypatch.setattr("ctypes.util.find_library", {"tcmalloc_minimal": "libtcmalloc_minimal.so.4"}.get)
    assert preloadable_allocators() == {"tcmalloc": "libtcmalloc_minimal.so.4"}
    monkeypatch.setattr("sys.platform", "darwin")
    assert preloadable_allocators() == {}
