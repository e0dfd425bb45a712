"""One project: its item, accessibility, archive settings and users."""

from __future__ import annotations

from werkzeug.wrappers import Response

from .. import lookup, render
from ..errors import Refused
from ..items import Item
from ..render import Table
from ..routing import Context, Route, atomic
from ..shortcuts import ROOTS
from ..store import ROLES
from ..writing import submission
from .archive import answer_item

LEVELS = ("private", "protected", "public")
# Sub-paths that are one value: the field it is kept in, and what may be written.
SETTINGS = {
    "prearchive_code": ("@prearchive_code", {"0": 0, "4": 4, "5": 5}),
    "quarantine_code": ("@quarantine_code", {"0": 0, "1": 1, "true": 1, "false": 0}),
    "current_arc": ("@current_arc", None),
}


def get_project(context: Context) -> Response:
    """GET /data/projects/{project}, by ID or alias."""
    record = lookup.project(context)
    name, _, value = context.path.get("rest", "").partition("/")
    if not name:
        return answer_item(context, record)
    if name not in SETTINGS or value:
        raise Refused(400, f"Unknown project setting {context.path['rest']}")
    return render.text(str(record.item.fields.get(SETTINGS[name][0], "")))


def put_project(context: Context) -> Response:
    """PUT /data/projects/{project}: 200 and nothing, new or not."""
    existing = context.store.archive.project(context.path["project"])
    sent = submission(context, "project", default_type=ROOTS["project"])
    if existing is not None and existing.id != context.path["project"]:
        # Reading goes by alias too; writing takes the name for the ID of a new project, which is then taken.
        raise Refused(409, f"Requested new project conflicts with existing projects: {existing.id}")
    if existing is None:
        id = context.path["project"]
        if sent.identity.get("id", id) != id:
            raise Refused(417, "Project ID of the path and of the content differ.")
        _create(context, id, sent.build(context, Item(ROOTS["project"])))
    else:
        context.require("edit", existing, lookup.NO_ITEM)
        _own(context, existing.id)
        existing.item = sent.build(context, existing.item)
        context.store.archive.save(existing, context.user.login)
    return render.text()


def post_project(context: Context) -> Response:
    """POST /data/projects: the new one's URL."""
    sent = submission(context, "project", default_type=ROOTS["project"])
    id = sent.identity.get("id", "")
    if not id:
        raise Refused(417, "Project ID is missing.")
    if context.store.archive.project(id) is not None:
        raise Refused(409, "Project already exists.")
    _create(context, id, sent.build(context, Item(ROOTS["project"])))
    url = f"{context.settings.site_url}/data/projects/{id}"
    response = render.text(url)
    response.headers["Location"] = url
    return response


def _create(context: Context, id: str, item: Item) -> None:
    if context.user.guest:
        raise Refused(403)
    level = context.query.get("accessibility", "private")
    deleted = context.store.documents.get("deleted-project", "", id.lower())
    if deleted and context.settings.at_least("1.8"):
        words = f"Project '{id}' was used in a previously deleted project and cannot be reused."
        raise Refused(403, words)
    with context.store.transaction():
        context.store.archive.create_project(id, item=item, user=context.user.login, accessibility=level)
        context.store.users.set_role(id, context.user.login, "owner")


def put_setting(context: Context) -> Response:
    """PUT /data/projects/{project}/prearchive_code/4 and its like."""
    record = lookup.project(context, "edit")
    _own(context, record.id)
    name, _, value = context.path["rest"].partition("/")
    if name not in SETTINGS:
        raise Refused(400, f"Unknown project setting {name}")
    field, allowed = SETTINGS[name]
    if not value or (allowed is not None and value not in allowed):
        raise Refused(400, f"Unknown value {value!r} of {name}")
    record.item.fields[field] = allowed[value] if allowed is not None else value
    context.store.archive.save(record, context.user.login)
    return render.text()


def delete_project(context: Context) -> Response:
    """DELETE /data/projects/{project}: 400, not 404, when it is missing or hidden."""
    record = context.store.archive.project(context.path["project"])
    if record is None or not context.can("read", record):
        raise Refused(400, "Unable to find the specified project.")
    if not context.can("delete", record):
        raise Refused(403)
    with context.store.transaction():
        context.store.archive.delete(record, remove_files=context.flag("removeFiles"))
        context.store.documents.put("deleted-project", "", record.id.lower(), record.id, user=context.user.login)
    return render.text()


# -- accessibility ----------------------------------------------------------------------------------------------------


def _accessible(context: Context) -> str:
    name = context.path["project"]
    record = context.store.archive.project(name)
    if record is None or not context.can("read", record):
        raise Refused(404, f"Could not find the project with ID '{name}'")
    return record.id


def get_accessibility(context: Context) -> Response:
    """GET /data/projects/{project}/accessibility."""
    return render.text(context.store.users.accessibility(_accessible(context)))


def put_accessibility(context: Context) -> Response:
    """PUT /data/projects/{project}/accessibility/{level}: the new level."""
    project = _accessible(context)
    level = context.path.get("level", "")
    _own(context, project)
    if level not in LEVELS:
        raise Refused(400, f"Unknown accessibility {level!r}")
    record = context.store.archive.project(project)
    assert record is not None
    record.item.fields["@accessibility"] = level
    context.store.archive.save(record, context.user.login)
    return render.text(level)


def _own(context: Context, project: str) -> None:
    if not context.can("own", project):
        raise Refused(403)


# -- users ------------------------------------------------------------------------------------------------------------


def users(context: Context) -> Response:
    """GET /data/projects/{project}/users."""
    project = lookup.project(context)
    if not context.can("read", project.id):
        raise Refused(403)
    return _user_table(context, project.id)


def change_user(context: Context) -> Response:
    """PUT or DELETE /data/projects/{project}/users/{group}/{login}: the users afterwards."""
    project = lookup.project(context)
    _own(context, project.id)
    role = _role(project.id, context.path["group"])
    login = context.path["login"]
    if context.store.users.get(login) is None:
        raise Refused(404, f"Unknown user {login}")
    if context.request.method == "PUT":
        context.store.users.set_role(project.id, login, role)
    else:
        context.store.users.remove_role(project.id, login, role)
    return _user_table(context, project.id)


def _role(project: str, group: str) -> str:
    for role, name in ROLES.items():
        if group.lower() in (role, name.lower(), f"{project}_{role}".lower()):
            return role
    raise Refused(404, f"Unknown group {group}")


def _user_table(context: Context, project: str) -> Response:
    rows = [
        (f"{project}_{role}", ROLES[role], user.login, user.firstname, user.lastname, user.email)
        for role, user in context.store.users.members(project)
    ]
    columns = ("GROUP_ID", "displayname", "login", "firstname", "lastname", "email")
    return render.table(context, Table(columns, rows, title="Projects"))


_PROJECT = "/data/projects/{project}"

ROUTES = [
    Route("POST", "/data/projects", atomic(post_project)),
    Route("GET", _PROJECT, get_project),
    Route("GET", f"{_PROJECT}/{{rest*}}", get_project),
    Route("PUT", f"{_PROJECT}/{{rest*}}", atomic(put_setting)),
    Route("PUT POST", _PROJECT, atomic(put_project)),
    Route("DELETE", _PROJECT, atomic(delete_project)),
    Route("GET", f"{_PROJECT}/accessibility", get_accessibility),
    Route("PUT", f"{_PROJECT}/accessibility", atomic(put_accessibility)),
    Route("PUT", f"{_PROJECT}/accessibility/{{level}}", atomic(put_accessibility)),
    Route("GET", f"{_PROJECT}/users", users),
    Route("GET", f"{_PROJECT}/users/true", users),
    Route("PUT DELETE", f"{_PROJECT}/users/{{group}}/{{login}}", atomic(change_user)),
]
