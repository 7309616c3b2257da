"""Libraries loaded into this process, by file name and never by path: the memory allocator, HIP."""

from __future__ import annotations

import ctypes.util
import os
import platform
import re
import sys
from pathlib import Path

_ALLOCATOR = re.compile(r"lib(tcmalloc|jemalloc|mimalloc|snmalloc|rpmalloc|hoard|scudo)")


def loaded_libraries(root: Path = Path("/")) -> frozenset[str] | None:
    """File names of everything mapped into this process; None where the kernel does not say (macOS).

    Args:
        root: where ``proc`` is; tests give a made-up tree.
    """
    try:
        lines = (root / "proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return frozenset(line.rpartition("/")[2] for line in lines if "/" in line)


def preloaded_libraries() -> list[str]:
    """File names that the loader was told to load first; one that does not exist is among them."""
    told = " ".join(os.environ.get(name, "") for name in ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES"))
    return [Path(word).name for word in re.split(r"[\s:]+", told) if word]


def allocator(root: Path = Path("/")) -> str:
    """The memory allocator of this process: ``tcmalloc``, ``jemalloc``, ``mimalloc`` and others, or ``system``.

    What is loaded counts, since the loader leaves out with a warning what it cannot find; where the kernel does not
    tell what is loaded, what was to be preloaded counts.
    """
    loaded = loaded_libraries(root)
    names = preloaded_libraries() if loaded is None else sorted(loaded)
    found = (_ALLOCATOR.match(name) for name in names)
    return next((match[1] for match in found if match), "system")


ALLOCATOR_PACKAGES = {"tcmalloc": "libtcmalloc-minimal4", "jemalloc": "libjemalloc2"}
"""Packages of Debian and Ubuntu that bring the allocators."""


def preloadable_allocators() -> dict[str, str]:
    """Allocators installed here that the loader can put before the C library's (Linux): file names by name."""
    if sys.platform != "linux":
        return {}
    known = {"tcmalloc": ("tcmalloc_minimal", "tcmalloc"), "jemalloc": ("jemalloc",)}
    files = {name: next(filter(None, map(ctypes.util.find_library, kinds)), None) for name, kinds in known.items()}
    return {name: file for name, file in files.items() if file}


def libc() -> str | None:
    """The C library, whose allocator ``system`` is: ``glibc 2.36``; None where Python cannot tell (musl, macOS)."""
    return " ".join(platform.libc_ver()).strip() or None


def hip_is_loaded(root: Path = Path("/")) -> bool:
    """Whether AMD's HIP is loaded: then ``cuda`` is an AMD GPU, as in torch's ROCm builds."""
    return any(name.startswith("libamdhip64") for name in loaded_libraries(root) or ())
