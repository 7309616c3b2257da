"""What is kept of the machine, and what is not."""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
from pathlib import Path

import psutil
import pytest
from trees import tree

from gpugap.sensors import environment
from gpugap.sensors.environment import available_memory_bytes, capture, huge_pages, in_container


def test_the_environment_is_one_json_object_with_everything_named():
    found = capture()
    assert json.loads(json.dumps(found, allow_nan=False))["machine"] == found["machine"]
    assert set(found) >= {
        "machine",
        "cpu",
        "memory_bytes",
        "gpus",
        "os",
        "python",
        "container",
        "allocator",
        "preloaded",
        "libc",
        "virtual_machine",
        "memory_limit_bytes",
        "huge_pages",
        "git_commit",
        "load_average",
    }
    assert set(found["cpu"]) >= {"model", "usable_cores", "native_bf16", "smt", "governor", "turbo"}
    assert found["memory_bytes"] == psutil.virtual_memory().total


def test_neither_user_nor_host_nor_path_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for name in ("USER", "LOGNAME", "HOSTNAME", "PWD"):
        monkeypatch.setenv(name, f"secret-{name}")
    monkeypatch.setattr(socket, "gethostname", lambda: "secret-host")
    monkeypatch.setattr("platform.node", lambda: "secret-node")
    text = json.dumps(capture())
    assert "secret" not in text
    assert str(tmp_path) not in text
    assert os.environ["HOME"] not in text
    values = {value for value in json.loads(text).values() if isinstance(value, str)}
    assert getpass.getuser() not in values
    assert os.uname().nodename not in values


def test_the_machine_is_a_digest_of_its_hardware_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before = capture()["machine"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platform.release", lambda: "99.9")
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 9.0, 9.0))
    assert capture()["machine"] == before
    monkeypatch.setattr(environment, "gpu_states", lambda: [{"name": "NVIDIA T4"}])
    assert capture()["machine"] != before


def test_only_telling_variables_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    found = capture()["environment_variables"]
    assert found["OMP_NUM_THREADS"] == "3"
    assert "hunter2" not in json.dumps(found)


def test_what_was_preloaded_is_kept_without_its_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LD_PRELOAD", "/home/alice/libtcmalloc.so")
    monkeypatch.setattr(environment, "_git_commit", lambda: None)  # git would try to load the library
    monkeypatch.setattr(environment, "allocator", lambda: "tcmalloc")
    found = capture()
    assert (found["allocator"], found["preloaded"]) == ("tcmalloc", ["libtcmalloc.so"])
    assert "alice" not in json.dumps(found)


def test_names_in_variables_and_kernel_are_taken_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("USER", "queen")
    monkeypatch.setenv("OMP_PLACES", "/home/queen/places")
    monkeypatch.setattr("platform.release", lambda: "6.1.0-queen+")
    found = capture()
    assert found["environment_variables"]["OMP_PLACES"] == "~/places"
    assert found["os"].endswith(" 6.1.0-<user>+")


@pytest.mark.parametrize(
    ("text", "mode"),
    [("always [madvise] never\n", "madvise"), ("[always] madvise never\n", "always"), ("", None), ("odd", None)],
)
def test_huge_pages(tmp_path: Path, text: str, mode: str | None):
    assert huge_pages(tmp_path) is None
    assert huge_pages(tree(tmp_path, {"sys/kernel/mm/transparent_hugepage/enabled": text})) == mode


def git(folder: Path, *arguments: str) -> None:
    options = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert capture()["git_commit"] is None
    git(folder, "init")
    (folder / "a").write_text("1")
    git(folder, "add", "a")
    git(folder, "commit", "-m", "x")
    git(folder, "tag", "v1")
    commit = capture()["git_commit"]
    assert len(commit) >= 7
    assert int(commit, 16)
    (folder / "a").write_text("2")
    assert capture()["git_commit"] == f"{commit}+"


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert capture()["git_commit"] is None


def test_containers_are_recognized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert not in_container(tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert in_container(tmp_path)
    (tmp_path / ".dockerenv").unlink()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert in_container(tmp_path)


def limited(root: Path, **files: str) -> Path:
    folder = root / "sys" / "fs" / "cgroup"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"memory.{name}").write_text(text)
    return root


MIB = 1 << 20


def test_without_a_limit_all_free_memory_can_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    free = psutil.virtual_memory()._replace(available=800 * MIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert available_memory_bytes(tmp_path) == 800 * MIB
    assert available_memory_bytes(limited(tmp_path, max="max\n", current="5\n")) == 800 * MIB


@pytest.mark.parametrize(
    ("files", "wanted_mib"),
    [
        ({"max": f"{500 * MIB}", "current": f"{100 * MIB}"}, 400),
        ({"max": f"{5000 * MIB}", "current": f"{100 * MIB}"}, 800),
        ({"max": f"{500 * MIB}"}, 500),
        ({"max": f"{500 * MIB}", "current": f"{600 * MIB}"}, 0),
    ],
)
def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict, wanted_mib: int):
    free = psutil.virtual_memory()._replace(available=800 * MIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert available_memory_bytes(limited(tmp_path, **files)) == wanted_mib * MIB


def test_file_caches_of_a_container_count_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    free = psutil.virtual_memory()._replace(available=8000 * MIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    stat = f"anon {90 * MIB}\nfile {400 * MIB}\ninactive_file {250 * MIB}\nactive_file {150 * MIB}\n"
    root = limited(tmp_path, max=f"{500 * MIB}", current=f"{490 * MIB}", stat=stat)
    assert available_memory_bytes(root) == 410 * MIB
