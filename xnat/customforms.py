"""The values of custom forms: fields that a site defines without a schema, with JSON values (XNAT 1.8.8+).

::

    forms = CustomForms(subject)
    forms['consent'] = {'version': 2, 'signed': True}
    forms.update(pain=3, notes=None)

They are another thing than custom variables (``experiment.fields``), which are text and exist in all versions.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from . import uris
from .core.caching import caching as cached
from .exceptions import XNATKeyError, XNATNotFoundError, XNATResponseError, XNATValueError

if TYPE_CHECKING:
    from .core import XNATBaseObject

__all__ = ["CustomForms"]

#: Since when XNAT has the service (its CustomFieldsApi); it answers 404 before.
SINCE = "1.8.8"


class CustomForms(MutableMapping[str, Any]):
    """The custom form values of a project, subject, experiment, scan or assessor, by name.

    Values are what JSON has: text, numbers, truth values, None, lists and dicts. Reading costs one GET, which is
    cached; setting is one PUT, and :meth:`update` one PUT for all; deleting one DELETE.

    The server answers 403 (:class:`XNATForbiddenError`) to an account without the right and to unknown projects,
    subjects and experiments alike.

    :param parent: the object
    :raises XNATValueError: objects of this type have no custom forms
    """

    def __init__(self, parent: XNATBaseObject) -> None:
        self.parent = parent
        self._session = parent.xnat_session
        self._cache: dict[str, tuple[Hashable, Any]] = {}
        self._generation = 0
        self.uri = _forms_uri(parent)

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def caching(self) -> bool:
        """Whether values are kept; as for the object."""
        return self.parent.caching

    def clearcache(self) -> None:
        """Forget the values; the next look asks the server again."""
        self._generation += 1

    def _stamp(self) -> Hashable:
        return (self.parent._stamp(), self._generation)

    @property
    def data(self) -> dict[str, Any]:
        """All values by name. One GET, then cached."""
        return dict(self._values())

    @cached
    def _values(self) -> dict[str, Any]:
        try:
            return self._checked(self._session.get_json(self.uri))
        except XNATNotFoundError as error:
            raise self._explained(error) from error

    def _checked(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise XNATResponseError(f"{self.uri}: asked for fields, but the answer is no JSON object", url=self.uri)
        return answer

    def _explained(self, error: XNATNotFoundError) -> XNATNotFoundError:
        version = getattr(self._session, "xnat_version", None)
        return XNATNotFoundError(
            f"There are no custom forms at {self.uri}: XNAT has them since {SINCE}, this server is {version}; "
            f"or there is no such {self.parent.KIND} (any more)",
            error.response,
            method=error.method,
            url=error.url,
            status_code=error.status_code,
            text=error.text,
        )

    def __getitem__(self, name: str) -> Any:
        values = self._values()
        if name not in values:
            raise self._missing(name, values)
        return values[name]

    def _missing(self, name: object, values: Mapping[str, Any]) -> XNATKeyError:
        return XNATKeyError(f"No custom form field {name!r}; there is {', '.join(map(repr, values)) or 'nothing'}")

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values()))

    def __len__(self) -> int:
        return len(self._values())

    # -- writing -----------------------------------------------------------------------------------------------------

    def __setitem__(self, name: str, value: Any) -> None:
        self._put({name: value})

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several values in one PUT: all of them, or none when one can't be written."""
        values: dict[str, Any] = dict(*args, **kwargs)
        if values:
            self._put(values)

    def _put(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if not isinstance(name, str) or not name:
                raise XNATValueError(f"A custom form field is named by text, not by {name!r}")
        try:
            response = self._session.client.request("PUT", self.uri, json=dict(values))
        except XNATNotFoundError as error:
            raise self._explained(error) from error
        self._keep(response)

    def __delitem__(self, name: str) -> None:
        try:
            response = self._session.client.request("DELETE", uris.join(self.uri, name))
        except XNATNotFoundError as error:
            self.clearcache()
            values = self._values()
            if name not in values:
                raise self._missing(name, values) from error
            raise XNATKeyError(f"XNAT doesn't delete {name!r}: fields whose value is null count as missing") from error
        self._keep(response)

    def _keep(self, response: Any) -> None:
        # What the server answers is what there is now, so the next look needs no request.
        self.clearcache()
        try:
            values = response.json()
        except ValueError:
            return
        if isinstance(values, dict):
            self._cache["_values"] = (self._stamp(), values)

    def __repr__(self) -> str:
        return f"<CustomForms {self._values()!r}>"


def _forms_uri(parent: XNATBaseObject) -> str:
    segments = uris.split(parent._path)[1:]
    named = dict(zip(segments[::2], segments[1::2], strict=False))
    kinds = ["experiments", "scans", "assessors"] if "experiments" in named else ["subjects"]
    if set(named) - {"projects", "subjects", "experiments", "scans", "assessors"} or not named:
        raise XNATValueError(
            f"{parent!r} has no custom forms; projects, subjects, experiments, scans and assessors have some"
        )
    project = named.get("projects") or getattr(parent, "project", None)
    path = "/xapi/custom-fields" if project is None else uris.join("/xapi/custom-fields/projects", project)
    for kind in kinds:
        if kind in named:
            path = uris.join(path, kind, named[kind])
    return f"{path}/fields"
