"""A real browser shows the page: not blank, in light and in dark, and on paper."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import pytest
from report_samples import gpu_study

from gpugap.report.page import render_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
SIZE = (640, 800)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here to look at the page with")


def colors(png: bytes) -> Counter[bytes]:
    """How often each color stands in an 8-bit PNG, rows unfiltered."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, packed, header = 8, b"", b""
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        body = png[place + 8 : place + 8 + length]
        header, packed = (body, packed) if kind == b"IHDR" else (header, packed + body * (kind == b"IDAT"))
        place += length + 12
    width, height, depth, color = struct.unpack(">IIBB", header[:10])
    assert depth == 8
    size = {2: 3, 6: 4}[color]
    raw, stride, above = zlib.decompress(packed), width * size, bytes(width * size)
    found: Counter[bytes] = Counter()
    for row in range(height):
        start = row * (stride + 1)
        above = unfiltered(raw[start], raw[start + 1 : start + 1 + stride], above, size)
        found.update(above[i : i + 3] for i in range(0, stride, size * 4))
    return found


def unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """One row of a PNG with its filter undone (PNG specification, section 9)."""
    done = bytearray(line)
    for i, value in enumerate(line):
        left, up = done[i - size] if i >= size else 0, above[i]
        corner = above[i - size] if i >= size else 0
        near = left + up - corner
        paeth = min((abs(near - left), 0, left), (abs(near - up), 1, up), (abs(near - corner), 2, corner))[2]
        done[i] = (value + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
    return bytes(done)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(gpu_study(), command="gpugap study"), encoding="utf-8")
    return path


def browse(file: Path, *options: str) -> None:
    profile = file.parent / "profile"
    command = [BROWSER, *QUIET, f"--user-data-dir={profile}", *options, file.as_uri()]
    around = {name: value for name, value in os.environ.items() if name != "TMPDIR"}  # its socket needs a short path
    subprocess.run(command, capture_output=True, check=True, timeout=120, env=around)


@pytest.mark.parametrize(("scheme", "background", "measured"), [("1", "ffffff", "0b57a4"), ("0", "101317", "6db3ff")])
def test_a_browser_draws_it_in_light_and_dark(file, scheme, background, measured):
    shot = file.parent / f"{scheme}.png"
    size = f"--window-size={SIZE[0]},{SIZE[1]}"
    browse(file, size, f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}")
    found = colors(shot.read_bytes())
    assert found.most_common(1)[0][0].hex() == background
    assert len(found) > 50, "the page is blank"
    assert found[bytes.fromhex(measured)] > 20, "the measured points are missing"


def test_it_prints(file):
    paper = file.parent / "report.pdf"
    browse(file, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    assert paper.read_bytes().startswith(b"%PDF-")
    assert paper.stat().st_size > 20_000
