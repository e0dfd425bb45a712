"""What lies below a whole project, in one request; and looking ahead for loops over its levels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.joined import RESOURCES, SCANS, SESSION_RESOURCES, JoinedListing
from ..core.kinds import ASSESSORS_OF_PROJECT
from ..core.listings import XNATListing
from ..core.looking import starting_point
from ..exceptions import XNATValueError
from .traits import Base

__all__ = ["LooksAhead", "WholeProject"]

#: The levels that a loop can go down, by the name of the listing.
LEVELS = ("subjects", "experiments", "scans", "assessors", "reconstructions", "resources", "files")


class LooksAhead(Base):
    """Can ask for the listings below it ahead of a loop."""

    __slots__ = ()

    def prefetch(self, *levels: str, workers: int = 8) -> None:
        """Ask for the listings of several levels now, many at once, so that a loop over them needn't wait for each.

        ::

            project.prefetch('experiments', 'scans')
            for experiment in project.experiments.values():
                for scan in experiment.scans.values():
                    ...

        :param levels: names of listings, from here down: ``'subjects'``, ``'experiments'``, ``'scans'``, ...
        :param workers: so many requests at once
        :raises XNATValueError: there is no such level
        """
        from concurrent.futures import ThreadPoolExecutor

        unknown = sorted(set(levels) - set(LEVELS))
        if unknown or not levels:
            raise XNATValueError(
                f"prefetch needs levels from here down, of {', '.join(LEVELS)}; not {unknown or 'none'}"
            )
        objects: list[Any] = [self]
        kept: list[Any] = []
        with ThreadPoolExecutor(workers, thread_name_prefix="xnat-prefetch") as pool:
            for level in levels:
                listings = [getattr(obj, level) for obj in objects if hasattr(type(obj), level)]
                objects = [child for children in pool.map(_values, listings) for child in children]
                kept += objects
        # The listings live in their objects, which are held weakly otherwise: a loop would find them gone.
        self._cache["_prefetched"] = (self._stamp(), kept)


def _values(listing: Any) -> Iterable[Any]:
    return list(listing.values())


class WholeProject(LooksAhead):
    """Listings of everything below a project."""

    __slots__ = ()

    @starting_point
    def scans(self) -> JoinedListing:
        """All scans of all its sessions, from one request.

        Keys are ``'<session ID>/<scan ID>'``. Its items are of the base type of scans, with the columns of the listing;
        those of ``experiment.scans`` are of their exact type.
        """
        return self._joined("scans", SCANS)

    @starting_point
    def assessors(self) -> XNATListing:
        """All assessors of all its sessions, by ID and label, from one request."""
        found = self._listings.get("assessors")
        if found is None:
            found = self._listings["assessors"] = XNATListing(
                "/data/experiments",
                parent=None,
                field_name="assessors",
                secondary_lookup_field="label",
                xsi_type="xnat:imageAssessorData",
                kind=ASSESSORS_OF_PROJECT,
                query={"project": self.id, "xsiType": "xnat:imageAssessorData"},
                session=self._session,
            )
        return found

    def resources_table(self, level: str = "scan") -> JoinedListing:
        """The resources of all its scans, with numbers of files and sizes in bytes, from one request.

        :param level: ``'scan'``, or ``'session'`` for those of the sessions themselves
        """
        if level not in ("scan", "session"):
            raise XNATValueError(f"level must be 'scan' or 'session', not {level!r}")
        return self._joined(f"{level} resources", RESOURCES if level == "scan" else SESSION_RESOURCES)

    def _joined(self, name: str, join: Any) -> JoinedListing:
        found = self._listings.get(name)
        if found is None:
            found = self._listings[name] = JoinedListing(self, join)
        return found
