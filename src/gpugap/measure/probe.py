"""Prints versions and devices of a framework as one JSON line; run as ``python -m gpugap.measure.probe NAME``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from gpugap.frameworks import load


def main() -> None:
    """Entry point of the probe."""
    framework = load(sys.argv[1])
    devices = [asdict(device) for device in framework.devices()]
    print(json.dumps({"versions": dict(framework.versions()), "devices": devices}))


if __name__ == "__main__":
    main()
