"""Dated facts: published numbers, accelerators, CPUs, prices, free tiers, electricity; each with its source.

The functions here read the tables of this package; `load` puts a user's own rows over them.
"""

from __future__ import annotations

from gpugap.catalog.accelerators import Gpu, gpu, gpus
from gpugap.catalog.book import Catalog, load
from gpugap.catalog.grid import Country, country
from gpugap.catalog.machine import match_cpu, match_gpu
from gpugap.catalog.prices import Offer, offers
from gpugap.catalog.processors import Cpu, cpu, cpus
from gpugap.catalog.tiers import FreeTier, free_tiers

__all__ = [
    "Catalog",
    "Country",
    "Cpu",
    "FreeTier",
    "Gpu",
    "Offer",
    "country",
    "cpu",
    "cpus",
    "free_tiers",
    "gpu",
    "gpus",
    "load",
    "match_cpu",
    "match_gpu",
    "offers",
]
