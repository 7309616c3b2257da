"""Where the store is: ``--db``, else ``GPUGAP_DB``, else the platform's data folder."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

VARIABLE = "GPUGAP_DB"


def database_url(url: str | None) -> str:
    """The SQLAlchemy URL of a URL, a path or None."""
    chosen = url or os.environ.get(VARIABLE)
    if chosen and "://" in chosen:
        return chosen
    path = Path(chosen).expanduser().resolve() if chosen else user_data_path("gpugap") / "records.db"
    quoted = str(path).replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{quoted}"


def shown_url(url: str) -> str:
    """The URL with its password hidden."""
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def lock_folder() -> Path:
    """Folder of the locks that live measurements hold."""
    return user_cache_path("gpugap") / "locks"


def profile_folder() -> Path:
    """Folder of the settings that tuning found."""
    return user_data_path("gpugap") / "tuned"
