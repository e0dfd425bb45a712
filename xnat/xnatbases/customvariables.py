"""Custom variables by group, with the types and the options that a project's protocol gives them.

``experiment.fields`` holds the same values as plain text, whether a protocol tells of them or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from ..core.items import children_of
from ..datatypes import convert_from, convert_to
from ..exceptions import XNATKeyError, XNATValueError
from ..search import SearchField

__all__ = ["CustomVariableGroup", "CustomVariables", "CustomVariablesOf", "VariableTerms"]

#: XNAT's words for the types of variables.
_TYPES = {
    "string": "xs:string", "integer": "xs:integer", "float": "xs:float", "boolean": "xs:boolean", "date": "xs:date",
}  # fmt: skip
_KEY = re.compile(r"fields/field\[name=(?P<key>[^]]+)\]")


@dataclass(frozen=True)
class Definition:
    """What a protocol says of a variable.

    :ivar name: what people call it
    :ivar key: its key in ``fields``
    :ivar type: its xs type
    :ivar options: the values it can have; none: any
    """

    name: str
    key: str
    type: str
    options: tuple[str, ...] = ()


class CustomVariables(Mapping[str, "CustomVariableGroup"]):
    """The custom variables of an object: group → variable → value.

    The groups come from the item of the project (one GET, then cached), the values from that of the object.
    """

    def __init__(self, parent: Any) -> None:
        self.parent = parent

    def _definitions(self) -> dict[str, dict[str, Definition]]:
        types = {getattr(base, "XSI_TYPE", "") for base in type(self.parent).__mro__}
        found: dict[str, dict[str, Definition]] = {}
        for protocol in children_of(_project_of(self.parent).fulldata, "studyProtocol"):
            if protocol.get("data_fields", {}).get("data-type") not in types:
                continue
            for group in children_of(protocol, "definitions/definition"):
                variables = found.setdefault(str(group["data_fields"].get("ID", "default")), {})
                for item in children_of(group, "fields/field"):
                    definition = _definition(item)
                    variables[definition.name] = definition
        return found

    def __getitem__(self, group: str) -> CustomVariableGroup:
        groups = self._definitions()
        if group not in groups:
            there = ", ".join(map(repr, groups)) or "none"
            raise XNATKeyError(f"No group of custom variables {group!r}; there is {there}")
        return CustomVariableGroup(self.parent, group, groups[group])

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions())

    def __len__(self) -> int:
        return len(self._definitions())

    def __repr__(self) -> str:
        return f"<CustomVariables {{{', '.join(f'{name!r}: {dict(group)!r}' for name, group in self.items())}}}>"


class CustomVariableGroup(MutableMapping[str, Any]):
    """The variables of one group. Those without a value are None; setting and deleting is one PUT each."""

    def __init__(self, parent: Any, name: str, definitions: Mapping[str, Definition]) -> None:
        self.parent = parent
        self.name = name
        self.definitions = definitions

    def _definition(self, name: str) -> Definition:
        found = self.definitions.get(name)
        if found is None:
            there = ", ".join(map(repr, self.definitions)) or "none"
            raise XNATKeyError(f"Group {self.name!r} has no variable {name!r}; there is {there}")
        return found

    def __getitem__(self, name: str) -> Any:
        definition = self._definition(name)
        return convert_to(self.parent.fields.get(definition.key), definition.type)

    def __setitem__(self, name: str, value: Any) -> None:
        definition = self._definition(name)
        text = convert_from(value, definition.type)
        if definition.options and text not in definition.options:
            raise XNATValueError(
                f"{name} has to be one of {', '.join(map(repr, definition.options))}, and {value!r} is none of them"
            )
        self.parent.fields[definition.key] = text

    def __delitem__(self, name: str) -> None:
        del self.parent.fields[self._definition(name).key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.definitions)

    def __len__(self) -> int:
        return len(self.definitions)

    def __repr__(self) -> str:
        return f"<CustomVariableGroup {self.name} {dict(self)!r}>"


class VariableTerms:
    """Terms for searches by custom variables: ``MrSessionData.custom_variables['dose'] > 3``. No request."""

    def __init__(self, owner: type) -> None:
        self._xsi_type = str(getattr(owner, "XSI_TYPE", ""))

    def __getitem__(self, name: str) -> SearchField:
        # The display field that XNAT makes for all variables of a type (DisplayFieldReference of ..._FIELD_MAP).
        field = f"{self._xsi_type.replace(':', '_').upper()}_FIELD_MAP"
        return SearchField(f"{self._xsi_type}.{field}={name.lower()}")


class CustomVariablesOf:
    """Descriptor: the variables of an object, the terms of a class."""

    def __get__(self, instance: Any, owner: type) -> CustomVariables | VariableTerms:
        return VariableTerms(owner) if instance is None else CustomVariables(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        raise XNATValueError(
            "custom_variables can't be replaced; set its entries: custom_variables['group']['name'] = 1"
        )


def _definition(item: Mapping[str, Any]) -> Definition:
    fields = item.get("data_fields", {})
    name = str(fields.get("name"))
    place = _KEY.search(str(fields.get("xmlPath", "")))
    options = [
        str(option["data_fields"].get("possibleValue")) for option in children_of(item, "possibleValues/possibleValue")
    ]
    # XNAT's forms write variables by their name in lower case.
    key = place["key"] if place else name.lower()
    return Definition(name, key, _TYPES.get(str(fields.get("datatype")), "xs:string"), tuple(options))


def _project_of(obj: Any) -> Any:
    if obj.KIND == "project":
        return obj
    project = obj.project
    if not project:
        raise XNATValueError(f"{obj!r} doesn't tell its project, which is what defines custom variables")
    return obj.xnat_session.create_object(f"/data/projects/{project}", "xnat:projectData", id_=project)
