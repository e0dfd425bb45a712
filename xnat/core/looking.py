"""What consoles and editors do to objects while somebody types: it must not cost requests.

Completion evaluates what stands before the dot. jedi, IPython and Python's own console read attributes for that, even
such as have to ask the server; pressing Tab would wait for it, once per attribute.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from ..exceptions import XNATAttributeError

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["StillTyping", "completing", "refuse_while_completing", "starting_point"]

#: Modules that complete, by the beginning of their names. If none is imported, nobody completes.
_COMPLETERS = ("IPython.core.completer", "jedi.", "rlcompleter", "_pydev_bundle.")
#: Whoever defines this method completes keys, and has to be asked for them.
_KEYS = "_ipython_key_completions_"


def completing() -> bool:
    """Whether a value is asked for by the completion of a console or editor, not by the program.

    Only called before a request, which costs a thousand times more.
    """
    if not any(name in sys.modules for name in ("IPython.core.completer", "jedi", "rlcompleter", "_pydev_bundle")):
        return False
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == _KEYS:
            return False
        if str(frame.f_globals.get("__name__", "")).startswith(_COMPLETERS):
            return True
        frame = frame.f_back
    return False


class StillTyping(XNATAttributeError):  # noqa: N818 - it never reaches a user: completers swallow it
    """A value that only the server knows was asked for by a completer."""


def refuse_while_completing(uri: str) -> None:
    """Call this before asking the server for an item.

    :raises StillTyping: a completer asks
    """
    if completing():
        raise StillTyping(f"{uri} is not asked for while you type")


if TYPE_CHECKING:
    starting_point = property
else:

    class starting_point(functools.cached_property):  # noqa: N801 - used like property
        """A property that costs no request, so that IPython may look behind it for keys: ``session.projects['<Tab>``.

        IPython reads no attribute that is a ``property``, because most of them compute something. Nothing is cached:
        the base class is for tools that ask whether this is a kind of property, as Sphinx does.
        """

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            return self if instance is None else self.func(instance)

        def __set__(self, instance: Any, value: Any) -> None:
            raise XNATAttributeError(
                f"{self.attrname} of a {type(instance).__name__} can't be set: the server gives it"
            )
