"""Profiles: what tuning found, kept for this machine and workload, so that other verbs can run the tuned CPU."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpugap.core.errors import StoreWriteFailed
from gpugap.core.setting import Setting
from gpugap.sensors.libraries import preloadable_allocators
from gpugap.store.location import profile_folder

SCHEMA = "gpugap.profile/1"


@dataclass(frozen=True, slots=True)
class Profile:
    """A setting that was proved to be faster on one machine, for one workload.

    Attributes:
        machine: digest of the hardware, as records have it.
        workload: name of the workload, or ``file.py:function``.
        code: digest of the user's file; empty for a built-in workload.
        framework: it was found for.
        device: it was found on.
        mode: ``train`` or ``inference``.
        batch: samples a step of the proof.
        precision: of the baseline.
        versions: of the framework and its libraries.
        setting: that was proved.
        execution: mode of the framework.
        result: the whole result of ``gpugap tune``, as its JSON output has it.
    """

    machine: str
    workload: str
    code: str
    framework: str
    device: str
    mode: str
    batch: int
    precision: str
    versions: Mapping[str, str]
    setting: Setting
    execution: str
    result: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Short digest of what is run, so that cells of different profiles are different cells."""
        return hashlib.sha256(repr((self.setting, self.execution)).encode()).hexdigest()[:8]

    @property
    def runs_here(self) -> bool:
        """Whether its cores are this process's now, and its allocator is installed."""
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        cores, wanted = set(self.setting.cores or ()), self.setting.allocator
        return cores <= allowed and (wanted is None or wanted in preloadable_allocators())

    @property
    def file_name(self) -> str:
        """One file a machine and workload: a later run takes the place of an earlier one."""
        key = (
            self.machine,
            self.workload,
            self.code,
            self.framework,
            self.device,
            self.mode,
            self.batch,
            self.precision,
        )
        slug = re.sub(r"[^a-z0-9]+", "-", f"{self.workload}-{self.mode}-{self.batch}".lower()).strip("-")
        return f"{slug}-{hashlib.sha256(repr(key).encode()).hexdigest()[:12]}.json"


def save_profile(profile: Profile, folder: Path | None = None) -> Path:
    """Writes a profile beside its place and moves it there, so that a crash leaves the old one or the new one.

    Raises:
        StoreWriteFailed: the folder cannot be written.
    """
    place = folder or profile_folder()
    path = place / profile.file_name
    beside = path.with_suffix(f".{os.getpid()}.part")
    try:
        place.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"schema": SCHEMA, **asdict(profile)}, allow_nan=False), encoding="utf-8")
        return beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StoreWriteFailed(
            f"the profile cannot be written: {error.strerror}",
            "free the disk, or set XDG_DATA_HOME to a writable folder",
        ) from error


def profiles(folder: Path | None = None) -> Iterator[Profile]:
    """All stored profiles, by file name; files that are broken or of another version are passed over."""
    for path in sorted((folder or profile_folder()).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("schema") == SCHEMA:
                yield Profile(**(content | {"setting": Setting.from_dict(content["setting"])}))


def _release(version: str | None) -> str:
    """A version less its build (``+cu130``), which wheels have in the module and not in their metadata."""
    return (version or "").partition("+")[0]


def tuned_profile(  # noqa: PLR0913 - keyword-only facts of what is looked for
    workload: str,
    *,
    machine: str,
    mode: str,
    batch: int,
    code: str = "",
    framework: str = "torch",
    device: str = "cpu",
    precision: str = "fp32",
    versions: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Profile | None:
    """The profile for a workload on a machine that can be put in force now; of several, that of the nearest batch.

    Args:
        workload: name with its size (``resnet18@32``), or ``file.py:function``.
        machine: digest of the hardware (``gpugap.sensors.environment.capture()["machine"]``).
        mode: ``train`` or ``inference``.
        batch: samples a step.
        code: digest of the user's file.
        framework: that runs it.
        device: it runs on.
        precision: of the baseline.
        versions: of the framework; a profile of another version of the framework itself is passed over.
        folder: of the profiles; the data folder where None.

    Returns:
        None where nothing was tuned.
    """
    wanted = (machine, workload, code, framework, device, mode, precision)
    found = [
        one
        for one in profiles(folder)
        if (one.machine, one.workload, one.code, one.framework, one.device, one.mode, one.precision) == wanted
        and one.runs_here
        and (versions is None or _release(versions.get(framework)) == _release(one.versions.get(framework)))
    ]
    return min(found, key=lambda one: abs(math.log(one.batch / batch)), default=None)
