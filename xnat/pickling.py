"""What travels to other processes instead of a session: where it was connected to, never how it was let in.

A pickled session, object or listing holds a :class:`Recipe`: the server's address, the user's name and a few options.
On the other side the first of them connects again, and all later ones of that process share the session. What it
logs in with comes from there: :func:`set_credentials`, the environment, the netrc file.

::

    with ProcessPoolExecutor(initializer=xnat.pickling.set_credentials, initargs=(server, user, token)) as pool:
        ...

In a forked process nothing is asked at all: the parent's session is there, with the same login and sockets of its own.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from . import uris
from .exceptions import XNATAuthError
from .protocols import Timeout
from .transport.auth import Credentials, settle_credentials

__all__ = ["Recipe", "close_all", "credentials_for", "forget_credentials", "register", "set_credentials", "shared"]


class Recipe(NamedTuple):
    """How to connect to where a session was connected; holds no secret.

    :ivar server: address, as it was given
    :ivar user: name of the user; None for whoever the other side is
    :ivar origin: names the session itself, for processes in which it lives already
    """

    server: str
    user: str | None = None
    verify: bool | str = True
    netrc_file: str | None = None
    extension_types: bool = True
    detect_redirect: bool = True
    no_parse_model: bool = False
    default_timeout: Timeout = None
    auth_provider: str | None = None
    keepalive: bool | float = True
    cache: bool = True
    origin: str = ""

    @property
    def settings(self) -> Recipe:
        """What two recipes of the same kind of connection have in common."""
        return self._replace(origin="")


#: A session of :mod:`xnat.session`, which lies above this module.
Session: TypeAlias = Any

#: Gives user and password for a server, or None. Gets the server's address and the user's name, if that is known.
Provider = Callable[[str, "str | None"], "tuple[str, str] | None"]


class _Process:
    """What this process knows: live sessions, those it opened for pickles, and credentials it was told."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.numbers = itertools.count(1)
        self.live: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()
        # Strong: the next task's objects shall find the session that this task's objects have left.
        self.opened: dict[Recipe, Session] = {}
        self.opening: dict[Recipe, threading.Lock] = {}
        self.credentials: dict[str, tuple[str, str]] = {}
        self.providers: list[Provider] = []
        self.hooked = False
        self.closes_at_exit = False


_process = _Process()


# -- credentials of this process -------------------------------------------------------------------------------------


def set_credentials(server: str | None, user: str | Provider, password: str | None = None) -> None:
    """Say what this process logs in with, when a session that was pickled elsewhere arrives here.

    :param server: its address; None with a function that is asked for all servers
    :param user: user name or alias, or a function that is given (server, user or None) and returns (user, password) or
        None; it can ask a keyring
    :param password: password or alias secret; it stays in the memory of this process
    """
    if callable(user):
        wanted, function = None if server is None else uris.root(server), user
        _process.providers.append(
            lambda asked, name: function(asked, name) if wanted in (None, uris.root(asked)) else None
        )
    elif server is None or password is None:
        raise TypeError(
            "set_credentials needs a server, a user and a password, or a function that gives the latter two"
        )
    else:
        _process.credentials[uris.root(server)] = (user, password)


def forget_credentials() -> None:
    """Take back what :func:`set_credentials` said."""
    _process.credentials.clear()
    _process.providers.clear()


def credentials_for(recipe: Recipe) -> Credentials:
    """What this process logs in with; a guest's if there is nothing and the recipe names no user.

    :raises XNATAuthError: the recipe names a user, and nothing here is his
    """
    told = _process.credentials.get(uris.root(recipe.server))
    for provider in [] if told else _process.providers:
        told = told or provider(recipe.server, recipe.user)
    if told:
        # An alias token given to this process acts for the user, under a name of its own.
        return Credentials(*told, source="set_credentials")
    netrc_file = recipe.netrc_file if recipe.netrc_file and os.path.exists(recipe.netrc_file) else None
    return settle_credentials(recipe.server, recipe.user, None, netrc_file, prompt=_nobody_to_ask(recipe))


def _nobody_to_ask(recipe: Recipe) -> Callable[[str], str]:
    def prompt(text: str) -> str:
        raise XNATAuthError(
            f"This process has no password for user {recipe.user!r} at {recipe.server}, and pickles carry none: set "
            "XNAT_HOST, XNAT_USER and XNAT_PASS in its environment, give it a netrc file, or call "
            "xnat.pickling.set_credentials() in it"
        )

    return prompt


# -- sessions of this process ----------------------------------------------------------------------------------------


def register(session: Session, recipe: Recipe) -> Recipe:
    """Remember a connected session, weakly; the recipe that leads back to it."""
    with _process.lock:
        named = recipe._replace(origin=f"{os.getpid()}-{next(_process.numbers)}")
        _process.live[named.origin] = session
        if not _process.hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
        _process.hooked = True
    return named


def shared(
    recipe: Recipe, connect: Callable[[Recipe, Credentials], Session], credentials: Credentials | None = None
) -> Session:
    """The session of a recipe: the one it was made of, if that is here, else one per process and recipe.

    :param credentials: what to log in with; by default what this process has
    """
    with _process.lock:
        found = _live(recipe)
        opening = _process.opening.setdefault(recipe.settings, threading.Lock())
    if found is not None:
        return found
    # One login, however many tasks arrive at once; those for other servers don't wait.
    with opening:
        found = _live(recipe)
        if found is None:
            found = connect(recipe, credentials or credentials_for(recipe))
            # What goes back from here shall find the session it came from.
            found._recipe = recipe
            _process.live[recipe.origin] = _process.opened[recipe.settings] = found
            _close_at_exit()
    return found


def _live(recipe: Recipe) -> Session | None:
    # Process numbers come again, on other machines at least: so it counts only if all else agrees.
    first = _process.live.get(recipe.origin)
    for found in [first, *list(_process.live.values())]:
        if found is not None and found._client is not None and found._recipe.settings == recipe.settings:
            return found
    return None


def close_all() -> None:
    """Disconnect the sessions that were opened for pickles. The end of the process does the same."""
    with _process.lock:
        sessions = list(_process.opened.values())
        _process.opened.clear()
    for session in sessions:
        session.disconnect()


def _close_at_exit() -> None:
    # Processes of multiprocessing leave without calling what atexit knows; this is called in either kind.
    from multiprocessing import util

    if not _process.closes_at_exit:
        util.Finalize(None, close_all, exitpriority=20)
        _process.closes_at_exit = True


def _after_fork() -> None:
    """In a forked child: locks that another thread held just then would stay locked for ever."""
    inherited = list(_process.live.values())
    _process.lock = threading.RLock()
    _process.opening = {}
    # What the parent opened is the parent's to close; as long as it lives it serves here, too.
    _process.opened = {}
    _process.closes_at_exit = False
    for session in inherited:
        session._after_fork()
