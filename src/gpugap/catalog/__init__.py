"""Dated facts: published numbers, accelerators, CPUs, prices, free tiers, electricity; each with its source."""

from __future__ import annotations

from gpugap.catalog.accelerators import Gpu, gpu, gpus

__all__ = ["Gpu", "gpu", "gpus"]
