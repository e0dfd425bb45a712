"""The prearchive: sessions that were received but not archived yet.

::

    for waiting in session.prearchive.sessions('brainimages'):
        print(waiting.name, waiting.status, waiting.scans)
    experiment = waiting.archive(subject='ANONYMIZ3', experiment='ANONYMIZ3')
"""

from __future__ import annotations

from .listing import Prearchive
from .parts import PrearchiveFile, PrearchiveListing, PrearchiveResource, PrearchiveScan
from .session import PrearchiveSession, prearchive_object

__all__ = [
    "Prearchive",
    "PrearchiveFile",
    "PrearchiveListing",
    "PrearchiveResource",
    "PrearchiveScan",
    "PrearchiveSession",
    "prearchive_object",
]

# Users know these names under this package, whichever module holds them.
for _known in (Prearchive, PrearchiveFile, PrearchiveListing, PrearchiveResource, PrearchiveScan, PrearchiveSession):
    _known.__module__ = __name__
del _known
