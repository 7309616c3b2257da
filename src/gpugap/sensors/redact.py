"""Texts of others, such as an error's message, without the names of people, machines and home folders."""

from __future__ import annotations

import contextlib
import os
import platform
import pwd
import re

_TELL_NOTHING = {"root", "user", "ubuntu", "admin", "runner", "localhost", "docker", "vm"}
"""Names that thousands of machines have; taking them out would only garble texts."""

_ANY_HOME = re.compile(r"/(?:home|Users)/[^/\s:;,'\"<>()]+")


def redacted(text: str) -> str:
    """The text with home folders as ``~``, and names of this user and this host as ``<user>`` and ``<host>``.

    Names are replaced as whole words only. Home folders of other people are replaced too where they lie in ``/home`` or
    ``/Users``.

    Args:
        text: what a library, a framework or a user's step said.
    """
    for folder in sorted(_home_folders(), key=len, reverse=True):
        text = re.sub(rf"{re.escape(folder)}(?![\w.-])", "~", text)
    text = _ANY_HOME.sub("~", text)
    for mark, names in (("<host>", _host_names()), ("<user>", _user_names())):
        telling = {name for name in names - _TELL_NOTHING if len(name) > 1}
        for name in sorted(telling, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", mark, text)
    return text.encode("utf-8", "replace").decode()  # a file's name may hold bytes that are no letters


def _home_folders() -> set[str]:
    """This user's home folder, as it is written and with links followed; never the root folder."""
    found = {os.path.expanduser("~")}  # noqa: PTH111 - Path.home() raises where there is none
    with contextlib.suppress(KeyError):  # a user number without a name, as in some containers
        found.add(pwd.getpwuid(os.getuid()).pw_dir)
    real = {folder.rstrip("/") for folder in found if folder.startswith("/") and folder.strip("/")}
    return real | {os.path.realpath(folder) for folder in real}


def _user_names() -> set[str]:
    found = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")}
    with contextlib.suppress(KeyError):
        found.add(pwd.getpwuid(os.getuid()).pw_name)
    return found


def _host_names() -> set[str]:
    """This host's name, with and without its domain."""
    whole = {platform.node(), os.environ.get("HOSTNAME", "")}
    return whole | {name.partition(".")[0] for name in whole}
