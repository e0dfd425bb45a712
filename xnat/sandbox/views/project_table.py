"""The table of projects that XNAT's pages show: a listing of its own, asked for by who takes which part in them."""

from __future__ import annotations

from werkzeug.wrappers import Response

from .. import render
from ..items import Value
from ..render import Table
from ..routing import Context
from ..store import ROLES, Record

__all__ = ["asked_for", "project_table"]

CHOICES = ("accessible", "owner", "member", "collaborator", "admin", "favorite", "prearc_code")
COLUMNS = (
    "id", "name", "description", "secondary_id", "pi", "project_invs", "project_access", "project_access_img",
    "insert_date", "insert_user",
)  # fmt: skip


def asked_for(context: Context) -> bool:
    """Whether a request for /data/projects means this table."""
    return any(name in context.query for name in CHOICES)


def project_table(context: Context) -> Response:
    """GET /data/projects?accessible=true and its like: projects of any of the kinds that were asked for."""
    user = context.user
    roles = dict(context.store.users.memberships(user.login))
    projects = [project for project in context.store.archive.projects() if _chosen(context, project, roles)]
    own = (f"user_role_{user.id}", f"last_accessed_{user.id}")
    # Who looked at what is not kept: nothing was accessed ever.
    rows = [(*_cells(project), ROLES.get(roles.get(project.id, ""), ""), "") for project in projects]
    return render.table(context, Table((*COLUMNS, *own), rows, title="Projects", extra={"xdat_user_id": str(user.id)}))


def _chosen(context: Context, project: Record, roles: dict[str, str]) -> bool:
    codes = [code for code in context.query.get("prearc_code", "").split(",") if code]
    if codes and str(project.item.fields.get("@prearchive_code", "")) not in codes:
        return False
    if not context.can("read", project):
        return False
    tests = {
        "accessible": True,
        "admin": context.user.admin,
        "favorite": False,  # nobody has any: they are chosen on pages the sandbox does not have
        **{role: roles.get(project.id) == role for role in ROLES},
    }
    asked = [found for name, found in tests.items() if context.flag(name)]
    return any(asked) if asked else bool(codes)


def _cells(project: Record) -> tuple[str, ...]:
    fields = project.item.fields
    people = project.item.children
    pi = [_name(person.fields) for person in people.get("PI", [])]
    others = [_name(person.fields) for person in people.get("investigators/investigator", [])]
    texts = [str(fields.get(name, "")) for name in ("name", "description", "secondary_ID")]
    access = str(fields.get("@accessibility", "private"))
    return (project.id, *texts, "".join(pi[:1]), " <br/> ".join(others), access, "", project.insert_date,
            project.insert_user)  # fmt: skip


def _name(fields: dict[str, Value]) -> str:
    return ", ".join(str(fields[name]) for name in ("lastname", "firstname") if fields.get(name))
