"""Makes what the documentation shows: transcripts, screenshot of the README, and the reference. Run by ``make docs``.

The transcript and the page come from the record file in ``examples/records``, so anybody gets the same from the same
records. ``--check`` writes nothing and fails when a text is out of date.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gpugap

ROOT = Path(__file__).resolve().parents[1]
RECORDS = "examples/records/2026-11-30-epyc-bf16-2-cores-quick.jsonl"
VERBS = (
    "study",
    "measure",
    "compare",
    "fit",
    "tune",
    "predict",
    "validate",
    "plan",
    "paper",
    "proposal",
    "access",
    "parity",
    "trends",
    "report",
    "records",
    "catalog",
    "doctor",
)
GROUPS = {
    "records": ("list", "show", "export", "import", "delete"),
    "catalog": ("list", "show", "search", "check", "export", "update"),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run(*arguments: str, folder: Path) -> str:
    """What a verb prints on standard output, on a terminal 120 columns wide, in a home of its own."""
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "COLUMNS": "120", "NO_COLOR": "1"}
    environment.pop("GPUGAP_DB", None)
    command = [sys.executable, "-m", "gpugap", *arguments]
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in answer.stdout.strip("\n").splitlines())


def transcript() -> str:
    """The example records imported and shown, as a console block."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = []
        for arguments in (("records", "import", RECORDS), ("records", "show", "latest")):
            parts.append(f"$ gpugap {' '.join(arguments)}\n{run(*arguments, folder=folder)}")
    return "```console\n" + "\n".join(parts) + "\n```"


def readme() -> str:
    """The README with its transcript made anew."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    marks = r"(<!-- transcript: make docs -->\n).*?(\n<!-- end of transcript -->)"
    return re.sub(marks, lambda found: found[1] + transcript() + found[2], text, flags=re.DOTALL)


def trends() -> str:
    """The guide to trends with its transcript made anew."""
    with tempfile.TemporaryDirectory() as name:
        shown = f"```console\n$ gpugap trends\n{run('trends', folder=Path(name))}\n```"
    text = (ROOT / "docs/trends.md").read_text(encoding="utf-8")
    marks = r"(<!-- transcript: make docs -->\n).*?(<!-- end of transcript -->)"
    return re.sub(marks, lambda found: f"{found[1]}{shown}\n{found[2]}", text, flags=re.DOTALL)


def plan() -> str:
    """The guide to plans with the check against published runs made anew."""
    from gpugap.plan.checked import summary

    text = (ROOT / "docs/plan.md").read_text(encoding="utf-8")
    marks = r"(<!-- published runs: make docs -->\n).*?(<!-- end of published runs -->)"
    return re.sub(marks, lambda found: f"{found[1]}{summary()}\n{found[2]}", text, flags=re.DOTALL)


def reference() -> str:
    """Help of every verb and docstring of every public name."""
    lines = ["# Reference", "", "Made by `make docs`; do not edit.", "", "## Verbs", ""]
    with tempfile.TemporaryDirectory() as name:
        calls = [(verb,) for verb in VERBS] + [(group, verb) for group, verbs in GROUPS.items() for verb in verbs]
        for call in calls:
            help_text = run(*call, "--help", folder=Path(name))
            lines += [f"### gpugap {' '.join(call)}", "", "```text", help_text, "```", ""]
    lines += ["## Python", ""]
    for public in gpugap.__all__:
        member = getattr(gpugap, public)
        if public == "__version__":
            continue
        try:
            signature = str(inspect.signature(member)).replace("gpugap.core.", "")
        except ValueError:
            signature = "(...)"
        lines += [
            f"### gpugap.{public}",
            "",
            "```text",
            f"{public}{_short(signature)}",
            "",
            inspect.getdoc(member) or "",
        ]
        lines += ["```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _short(signature: str) -> str:
    return re.sub(r"'([^']*)'", r"\1", signature)


def screenshot(target: Path) -> bool:
    """The page of the example records as a picture; False without a browser."""
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "page.html"
        run("report", RECORDS, "-o", str(page), folder=folder)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
        flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        flags += [f"--user-data-dir={folder}/profile", f"--screenshot={target}", "--window-size=1100,1150"]
        subprocess.run([browser, *flags, page.as_uri()], capture_output=True, check=True, timeout=120)
    return True


def main() -> None:
    """Writes the texts and the picture, or checks that the texts are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a text is out of date")
    check = parser.parse_args().check
    stale = []
    made = {"README.md": readme, "docs/reference.md": reference, "docs/trends.md": trends, "docs/plan.md": plan}
    for path, text in ((ROOT / name, make()) for name, make in made.items()):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit(f"out of date, run make docs: {', '.join(stale)}")
    if not check:
        (ROOT / "docs/images").mkdir(exist_ok=True)
        if not screenshot(ROOT / "docs/images/page.png"):
            print("no Chromium here: the screenshot was not made anew")


if __name__ == "__main__":
    main()
