"""/xapi: build information, site configuration, schemas, data types, plugins, users, access; /data/version of 1.6."""

from __future__ import annotations

import time
from typing import Any

from werkzeug.wrappers import Response

from .. import render
from ..errors import Refused
from ..routing import Context, Route
from ..store_users import ROLES, User

_STARTED = time.monotonic()


# -- the site ---------------------------------------------------------------------------------------------------------


def build_info(context: Context) -> Response:
    """GET /xapi/siteConfig/buildInfo: open to everybody."""
    return render.json_answer(_build(context))


def _build(context: Context) -> dict[str, str]:
    version = context.settings.xnat_version
    return {
        "version": version,
        "buildNumber": "1",
        "buildDate": "Mon Jan 01 00:00:00 UTC 2024",
        # A real build's data model comes with the build; here it is the folder of schemas that makes the difference.
        "sha": context.schemas.digest[:10],
        "shaFull": context.schemas.digest,
        "isDirty": "false",
        "commit": "0",
        "tag": version,
        "branch": "sandbox",
        "timestamp": "1704067200000",
    }


def build_property(context: Context) -> Response:
    """GET /xapi/siteConfig/buildInfo/{property}: one value as text."""
    name = context.path["property"]
    info = _build(context)
    if name not in info:
        raise Refused(404, f"No build property {name}")
    return render.text(info[name])


def uptime(context: Context) -> Response:
    """GET /xapi/siteConfig/uptime: leading units that are zero are left out."""
    seconds = time.monotonic() - _STARTED
    units = {"days": int(seconds // 86400), "hours": int(seconds // 3600 % 24), "minutes": int(seconds // 60 % 60)}
    answer: dict[str, str] = {}
    for name, value in units.items():
        if value or answer:
            answer[name] = str(value)
    answer["seconds"] = f"{seconds % 60:.3f}"
    return render.json_answer(answer)


def _site(context: Context) -> dict[str, Any]:
    settings = context.settings
    return {
        "siteId": settings.site_id,
        "siteUrl": settings.site_url,
        "siteHome": "/",
        "siteLogoPath": "/images/logo.jpg",
        "requireLogin": settings.require_login,
        "sessionTimeout": "15 minutes",
        "checksums": context.store.files.checksums,
        "restrictUserListAccessToAdmins": settings.restrict_user_list,
    }


def site_config(context: Context) -> Response:
    """GET /xapi/siteConfig."""
    return render.json_answer(_site(context))


SITE_SETTINGS = {"requireLogin": "require_login", "restrictUserListAccessToAdmins": "restrict_user_list"}


def change_site(context: Context) -> Response:
    """POST /xapi/siteConfig: administrators only; of what the sandbox has no use for nothing is kept."""
    if not context.user.admin:
        raise Refused(403)
    data = context.request.get_json(force=True, silent=True)
    if not isinstance(data, dict):
        raise Refused(400, "The settings are needed as a JSON object")
    for name, attribute in SITE_SETTINGS.items():
        if name in data:
            setattr(context.settings, attribute, str(data[name]).lower() == "true")
    return render.text()


def site_value(context: Context) -> Response:
    """GET /xapi/siteConfig/{name} of the values a login page needs."""
    return render.text(str(_site(context)[context.url_path.rpartition("/")[2]]))


def version(context: Context) -> Response:
    """GET /data/version: 1.6 only."""
    if context.settings.at_least("1.7"):
        raise Refused(404)
    return render.text(context.settings.xnat_version)


# -- schemas ----------------------------------------------------------------------------------------------------------


def schema_names(context: Context) -> Response:
    """GET /xapi/schemas."""
    return render.json_answer(context.schemas.names())


def schema(context: Context) -> Response:
    """GET /xapi/schemas/{name}, /schemas/{name}.xsd and /xapi/{name}.xsd; names may hold '/'."""
    name = context.path["name"]
    if context.url_path.endswith(".xsd"):
        name = name.removesuffix(".xsd")
    elif not context.url_path.startswith("/xapi/schemas/"):
        raise Refused(404)
    body = context.schemas.text(name)
    if body is None:
        raise Refused(404, f"No schema {name}")
    return render.xml_answer(body, content_type="application/xml")


def type_names(context: Context) -> Response:
    """GET /xapi/schemas/datatypes."""
    return render.json_answer(sorted(context.schemas.types))


def _wanted_types(context: Context, listed: Any = None) -> list[str]:
    name = context.path.get("type")
    if name == "all":
        return sorted(context.schemas.types)
    names = [name] if name else list(listed or [])
    known = [type_name for type_name in map(context.schemas.spelling, names) if type_name]
    if name and not known:
        raise Refused(404, f"No data type {name}")
    return known


def type_elements(context: Context) -> Response:
    """POST /xapi/schemas/datatypes/elements, GET .../elements/{type}."""
    listed = None
    if context.request.method == "POST":
        listed = (context.request.get_json(force=True, silent=True) or {}).get("dataTypes")
    answer = {}
    for name in _wanted_types(context, listed):
        prefix, _, local = name.partition(":")
        answer[f"{prefix}_{local}"] = {
            "fullName": name,
            "localType": local,
            "namespacePrefix": prefix,
            "namespaceURI": context.schemas.namespaces.get(prefix, ""),
            "properName": context.schemas.element_name(name).partition(":")[2],
            "sqlName": f"{prefix}_{local}",
        }
    return render.json_answer(answer)


def type_fields(context: Context) -> Response:
    """POST /xapi/schemas/datatypes/names, GET .../names/{type}."""
    listed = [name for text in context.request.form.getlist("dataTypes") for name in text.split(",")]
    answer = {}
    for name in _wanted_types(context, listed):
        nodes = context.schemas.nodes(name)
        answer[name.replace(":", "_")] = [name, *(f"{name}/{node.name}" for node in nodes)]
    return render.json_answer(answer)


def plugins(context: Context) -> Response:
    """GET /xapi/plugins: the sandbox has none."""
    return render.json_answer({})


def plugin(context: Context) -> Response:
    """GET /xapi/plugins/{id}."""
    raise Refused(404, f"No plugin with ID {context.path['id']} could be found on this system")


# -- users ------------------------------------------------------------------------------------------------------------


def _profile(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.login,
        "firstName": user.firstname,
        "lastName": user.lastname,
        "email": user.email,
        "admin": user.admin,
        "enabled": user.enabled,
        "verified": True,
    }


def _list_allowed(context: Context) -> None:
    if context.settings.restrict_user_list and not context.user.admin:
        raise Refused(403)


def users(context: Context) -> Response:
    """GET /xapi/users: the logins."""
    _list_allowed(context)
    return render.json_answer([user.login for user in context.store.users.all()])


def profiles(context: Context) -> Response:
    """GET /xapi/users/profiles."""
    _list_allowed(context)
    return render.json_answer([_profile(user) for user in context.store.users.all()])


def _wanted_user(context: Context) -> User:
    login = context.path["login"]
    if login != context.user.login and not context.user.admin:
        raise Refused(403)
    user = context.store.users.get(login)
    if user is None:
        raise Refused(404, f"No user {login}")
    return user


def profile(context: Context) -> Response:
    """GET /xapi/users/profile/{login} and /xapi/users/{login}."""
    return render.json_answer(_profile(_wanted_user(context)))


def current_user(context: Context) -> Response:
    """GET /xapi/users/current."""
    return render.json_answer(_profile(context.user))


def user_name(context: Context) -> Response:
    """GET /xapi/users/username."""
    return render.text(context.user.login)


def user_groups(context: Context) -> Response:
    """GET /xapi/users/{login}/groups."""
    memberships = context.store.users.memberships(_wanted_user(context).login)
    return render.json_answer([f"{project}_{role}" for project, role in memberships])


def user_roles(context: Context) -> Response:
    """GET /xapi/users/{login}/roles."""
    return render.json_answer(["Administrator"] if _wanted_user(context).admin else [])


def create_user(context: Context) -> Response:
    """POST /xapi/users, PUT /xapi/users/{login}: administrators only."""
    if not context.user.admin:
        raise Refused(403)
    data = context.request.get_json(force=True, silent=True)
    if not isinstance(data, dict):
        raise Refused(400, "A user as JSON is needed")
    login = context.path.get("login") or str(data.get("username", ""))
    known = context.store.users.get(login)
    if not login or (known is None and not data.get("password")):
        raise Refused(400, "A user needs a username and a password")
    if known is not None and context.request.method == "POST":
        raise Refused(409, f"User {login} exists")
    details = {"firstname": "firstName", "lastname": "lastName", "email": "email"}
    values = {name: str(data[key]) for name, key in details.items() if data.get(key) is not None}
    if known is None:
        context.store.users.add(login, str(data["password"]), admin=bool(data.get("admin")), **values)
    else:
        context.store.users.change(login, data.get("password"), **values)
    if known is None or data.get("enabled") is not None:
        context.store.users.enable(login, bool(data.get("enabled", True)))
    user = context.store.users.get(login)
    assert user is not None
    return render.json_answer(_profile(user), 201 if known is None else 200)


def _administered_user(context: Context) -> User:
    if not context.user.admin:
        raise Refused(403)
    return _wanted_user(context)


def user_enabled(context: Context) -> Response:
    """GET /xapi/users/{login}/enabled, PUT .../enabled/{flag}: whether the user is let in."""
    if context.request.method == "GET":
        return render.json_answer(_wanted_user(context).enabled)
    user = _administered_user(context)
    context.store.users.enable(user.login, context.path["flag"].lower() == "true")
    return render.json_answer(True)


def change_user_groups(context: Context) -> Response:
    """PUT or DELETE /xapi/users/{login}/groups[/{group}]: into projects' groups, one or a JSON list, or out of them."""
    user = _administered_user(context)
    names = [context.path["group"]] if "group" in context.path else context.request.get_json(force=True, silent=True)
    if not isinstance(names, list):
        raise Refused(400, "The groups are needed as a JSON list")
    groups = [_group(context, str(name)) for name in names]
    for project, role in groups:
        if context.request.method == "PUT":
            context.store.users.set_role(project, user.login, role)
        else:
            context.store.users.remove_role(project, user.login, role)
    return user_groups(context)


def _group(context: Context, name: str) -> tuple[str, str]:
    project, _, role = name.rpartition("_")
    if role not in ROLES or context.store.archive.project(project) is None:
        raise Refused(404, f"No group {name}")
    return project, role


def active_users(context: Context) -> Response:
    """GET /xapi/users/active: the sessions of each user."""
    if not context.user.admin:
        raise Refused(403)
    sessions = {user.login: context.sessions.of(user.login) for user in context.store.users.all()}
    return render.json_answer({login: {"sessions": ids} for login, ids in sessions.items() if ids})


def end_sessions(context: Context) -> Response:
    """DELETE /xapi/users/active/{login}: the IDs of the sessions that were ended."""
    return render.json_answer(context.sessions.end_all(_wanted_user(context).login))


def accessible_projects(context: Context) -> Response:
    """GET /xapi/access/projects: the projects the user is a member of (an administrator's rights do not show)."""
    if not context.settings.at_least("1.8"):
        raise Refused(404)
    answer = []
    for id, role in context.store.users.memberships(context.user.login):
        project = context.store.archive.project(id)
        if project is None:
            continue
        fields = project.item.fields
        answer.append(
            {
                "ID": id,
                "secondary_ID": fields.get("secondary_ID", id),
                "name": fields.get("name", id),
                "description": fields.get("description", ""),
                "URI": f"/data/projects/{id}",
                "role": ROLES[role],
                "group_id": f"{id}_{role}",
            }
        )
    return render.json_answer(answer)


_TYPES = "/xapi/schemas/datatypes"

ROUTES = [
    Route("GET", "/xapi/siteConfig/buildInfo", build_info, open=True),
    Route("GET", "/xapi/siteConfig/buildInfo/{property}", build_property, open=True),
    Route("GET", "/xapi/siteConfig/uptime", uptime),
    Route("GET", "/xapi/siteConfig", site_config),
    Route("POST", "/xapi/siteConfig", change_site),
    *(
        Route("GET", f"/xapi/siteConfig/{name}", site_value, open=True)
        for name in ("siteId", "siteUrl", "siteHome", "siteLogoPath")
    ),
    Route("GET", "/data/version", version),
    Route("GET", "/xapi/schemas", schema_names),
    Route("GET", "/xapi/schemas/{name*}", schema),
    Route("GET", "/schemas/{name*}", schema, open=True),
    Route("GET", "/xapi/{name*}", schema),
    Route("GET", _TYPES, type_names),
    Route("POST", f"{_TYPES}/elements", type_elements),
    Route("GET", f"{_TYPES}/elements/{{type}}", type_elements),
    Route("POST", f"{_TYPES}/names", type_fields),
    Route("GET", f"{_TYPES}/names/{{type}}", type_fields),
    Route("GET", "/xapi/plugins", plugins),
    Route("GET", "/xapi/plugins/{id}", plugin),
    Route("GET", "/xapi/users", users),
    Route("POST", "/xapi/users", create_user),
    Route("GET", "/xapi/users/profiles", profiles),
    Route("GET", "/xapi/users/profile/{login}", profile),
    Route("GET", "/xapi/users/current", current_user),
    Route("GET", "/xapi/users/username", user_name),
    Route("GET", "/xapi/users/active", active_users),
    Route("DELETE", "/xapi/users/active/{login}", end_sessions),
    Route("GET", "/xapi/users/{login}", profile),
    Route("PUT", "/xapi/users/{login}", create_user),
    Route("GET", "/xapi/users/{login}/groups", user_groups),
    Route("PUT DELETE", "/xapi/users/{login}/groups", change_user_groups),
    Route("PUT DELETE", "/xapi/users/{login}/groups/{group}", change_user_groups),
    Route("GET", "/xapi/users/{login}/roles", user_roles),
    Route("GET", "/xapi/users/{login}/enabled", user_enabled),
    Route("PUT", "/xapi/users/{login}/enabled/{flag}", user_enabled),
    Route("GET", "/xapi/access/projects", accessible_projects),
]
