"""One subject, experiment, assessor, scan or reconstruction: reading, making, changing, removing."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.wrappers import Response

from .. import lookup, render
from ..assemble import assemble, item_json
from ..errors import Refused
from ..item_xml import write_item
from ..items import Item
from ..routing import Context, Route, atomic
from ..shortcuts import ROOTS
from ..store import Record
from ..writing import Submission, submission

NEED_CONTENTS = "Need PUT Contents"


# -- reading ----------------------------------------------------------------------------------------------------------


def answer_item(context: Context, record: Record) -> Response:
    """An item as JSON or, without ``format``, XML."""
    if context.query.get("handler"):  # plug-ins bring them; without any there is none to ask for
        raise Refused(400, f"Invalid handler definition: {context.query['handler']}")
    store = context.store
    item = assemble(store, record, project=lookup.seen_project(context))
    if context.format == "json":
        history = store.archive.history(record) if context.flag("includeHistory") else None
        return render.json_answer(item_json(item, context.settings, history, record.key))
    if context.format == "html":
        return render.text(f"<html><body><h3>{record.label}</h3></body></html>", content_type="text/html")
    return render.xml_answer(write_item(context.schemas, item, context.settings.site_url))


def get_subject(context: Context) -> Response:
    """GET .../subjects/{subject}; unknown further segments are ignored."""
    return answer_item(context, lookup.subject(context))


def get_experiment(context: Context) -> Response:
    """GET .../experiments/{experiment}; ``.../status`` and ``.../history`` are views of it."""
    record = lookup.experiment(context)
    rest = context.path.get("rest", "")
    if rest == "status":
        return render.text(record.status)
    if rest == "history":
        entries = [{"changed": when, "user": who} for when, who, _ in context.store.archive.history(record)]
        return render.json_answer(entries)
    return answer_item(context, record)


def get_part(kind: str) -> Callable[[Context], Response]:
    """GET of a scan, assessor or reconstruction."""
    return lambda context: answer_item(context, lookup.part(context, kind))


# -- making and changing ----------------------------------------------------------------------------------------------


def put_subject(context: Context) -> Response:
    """PUT .../subjects/{subject}: 201 and the ID of a new one, 200 and the ID of an old one."""
    name = context.path["subject"]
    existing = lookup.find_subject(context)
    if existing is None and "project" not in context.path:
        raise Refused(404, f"Unable to identify subject {name}")
    sent = submission(context, "subject", existing.xsi_type if existing else "", ROOTS["subject"])
    if existing is None:
        record = _new_subject(context, name, sent)
        return render.text(record.id, 201)
    _require_edit(context, existing)
    return _update(context, existing, sent) or render.text(existing.id)


def _require_edit(context: Context, existing: Record, missing: str = "") -> None:
    """404 for what cannot be seen; but 403 in a project that is seen, as protected ones are by everybody."""
    if "project" in context.path and not context.can("read", existing):
        _writable_project(context)
    context.require("edit", existing, missing)


def _new_subject(context: Context, label: str, sent: Submission) -> Record:
    project = _writable_project(context)
    _check_type(context, sent.xsi_type, "subject")
    if any(letter in "'\"<>&/\\;" or ord(letter) < 32 for letter in label):
        raise Refused(417, "Invalid character in subject label.")
    item = sent.build(context, Item(sent.xsi_type or ROOTS["subject"]))
    record = context.store.archive.create_subject(project.id, label, item=item, user=context.user.login)
    _make_parts(context, record, sent)
    return record


def post_subject(context: Context) -> Response:
    """POST .../subjects: the new one's URL."""
    sent = submission(context, "subject", "", ROOTS["subject"])
    project = _writable_project(context)
    label = sent.identity.get("label") or sent.identity.get("id", "")
    if label and context.store.archive.subject(project.id, label):
        raise Refused(409, "Subject already exists.")
    record = _new_subject(context, label, sent)
    if not label:
        record.label = record.id
        context.store.archive.save(record, context.user.login)
    return _created(context, f"/data/subjects/{record.id}")


def put_experiment(context: Context) -> Response:
    """PUT .../experiments/{experiment}; a missing subject of the path is made."""
    existing = lookup.find_experiment(context)
    sent = submission(context, "experiment", existing.xsi_type if existing else "")
    if existing is not None:
        _require_edit(context, existing, lookup.NO_ITEM)
        return _update(context, existing, sent) or render.text(existing.id)
    if "project" not in context.path:
        raise Refused(404, lookup.NO_ITEM)
    project = _writable_project(context)
    _check_type(context, sent.xsi_type, "experiment")
    subject = _subject_for(context, project, sent)
    return render.text(_new_experiment(context, subject, project, context.path["experiment"], sent).id, 201)


def _subject_for(context: Context, project: Record, sent: Submission) -> Record:
    archive = context.store.archive
    if "subject" in context.path:
        found = lookup.find_subject(context)
        if found is not None:
            return context.require("read", found)
        return archive.create_subject(project.id, context.path["subject"], user=context.user.login)
    name = sent.identity.get("subject_id", "")
    named = archive.subject(project.id, name) or archive.subject_by_id(name)
    if named is None:
        raise Refused(422, f"Unable to identify subject {name}")
    return named


def _new_experiment(context: Context, subject: Record, project: Record, label: str, sent: Submission) -> Record:
    archive = context.store.archive
    item = sent.build(context, Item(sent.xsi_type))
    if label and archive.experiment(project.id, label):
        raise Refused(409, "Specified label is already in use.")
    record = archive.create_experiment(
        subject, label, sent.xsi_type, project=project.id, item=item, user=context.user.login
    )
    _make_parts(context, record, sent)
    return record


def post_experiment(context: Context) -> Response:
    """POST .../experiments: the subject must exist."""
    project = _writable_project(context)
    if "subject" in context.path and lookup.find_subject(context) is None:
        raise Refused(404, f"Unable to identify subject {context.path['subject']}")
    sent = submission(context, "experiment")
    _check_type(context, sent.xsi_type, "experiment")
    label = sent.identity.get("label", "")
    record = _new_experiment(context, _subject_for(context, project, sent), project, label, sent)
    if not label:
        record.label = record.id
        context.store.archive.save(record, context.user.login)
    return _created(context, f"/data/experiments/{record.id}")


def put_assessor(context: Context) -> Response:
    """PUT .../assessors/{assessor}: like an experiment."""
    session = lookup.session(context)
    existing = context.store.archive.assessor(session, context.path["assessor"])
    sent = submission(context, "assessor", existing.xsi_type if existing else "")
    if existing is not None:
        context.require("edit", existing)
        return _update(context, existing, sent) or render.text(existing.id)
    return render.text(_new_assessor(context, session, context.path["assessor"], sent).id, 201)


def post_assessor(context: Context) -> Response:
    """POST .../assessors."""
    session = lookup.session(context)
    sent = submission(context, "assessor")
    record = _new_assessor(context, session, sent.identity.get("label", ""), sent)
    return _created(context, f"/data/experiments/{record.id}")


def _new_assessor(context: Context, session: Record, label: str, sent: Submission) -> Record:
    context.require("edit", session)
    _check_type(context, sent.xsi_type, "assessor")
    archive = context.store.archive
    if label and archive.experiment(session.project, label):
        raise Refused(409, "Specified label is already in use.")
    item = sent.build(context, Item(sent.xsi_type))
    record = archive.create_assessor(session, label, sent.xsi_type, item=item, user=context.user.login)
    if not label:
        record.label = record.id
        archive.save(record, context.user.login)
    return record


def put_scan(context: Context) -> Response:
    """PUT .../scans/{scan}: 200 and nothing, new or not; a scan keeps its type."""
    session = lookup.session(context, "edit")
    existing = lookup.find_part(context, "scan")
    sent = submission(context, "scan", existing.xsi_type if existing else "")
    if existing is None:
        _new_scan(context, session, context.path["scan"], sent)
    else:
        _update(context, existing, sent)
    return render.text()


def _new_scan(context: Context, session: Record, id: str, sent: Submission) -> Record:
    if sent.xsi_type == ROOTS["scan"]:
        raise Refused(400, "Multiple scan modalities can be associated here: specify the xsiType of the scan.")
    _check_type(context, sent.xsi_type, "scan")
    item = sent.build(context, Item(sent.xsi_type))
    return context.store.archive.create_scan(session, id, sent.xsi_type, item=item, user=context.user.login)


def post_scan(context: Context) -> Response:
    """POST .../scans: without an ID the next free number."""
    session = lookup.session(context, "edit")
    sent = submission(context, "scan")
    taken = {scan.id for scan in context.store.archive.scans(session)}
    id = sent.identity.get("id", "")
    if id in taken:
        raise Refused(409, "Specified scan already exists.")
    id = id or next(str(number) for number in range(1, len(taken) + 2) if str(number) not in taken)
    _new_scan(context, session, id, sent)
    return _created(context, f"/data/experiments/{session.id}/scans/{id}")


def put_reconstruction(context: Context) -> Response:
    """PUT .../reconstructions/{reconstruction}: needs nothing else."""
    session = lookup.session(context, "edit")
    existing = lookup.find_part(context, "reconstruction")
    sent = submission(context, "reconstruction", "", ROOTS["reconstruction"])
    if existing is not None:
        _update(context, existing, sent)
    else:
        item = sent.build(context, Item(ROOTS["reconstruction"]))
        name = context.path["reconstruction"]
        context.store.archive.create_reconstruction(session, name, item=item, user=context.user.login)
    return render.text()


def _update(context: Context, record: Record, sent: Submission) -> Response | None:
    """Change a record; an answer of its own when that was a renaming."""
    archive = context.store.archive
    changes_type = record.kind == "scan" and sent.explicit_type not in ("", record.xsi_type)
    if changes_type and context.settings.at_least("1.8.6"):
        raise Refused(409, "Specified xsiType differs from existing xsiType")
    project = lookup.seen_project(context) or record.project
    if sent.rename_only and record.kind in ("subject", "experiment", "assessor"):
        archive.rename(record, sent.identity["@label"], project=project, user=context.user.login)
        return render.text()
    if sent.identity.get("id", record.id) not in (record.id, record.label):
        raise Refused(400, "ID cannot be modified")
    if sent.identity.get("project", record.project) not in (record.project, project) and record.kind != "scan":
        raise Refused(409, "Project must be modified through separate URI.")
    _set_status(context, record)
    record.item = sent.build(context, record.item)
    with context.store.transaction():
        archive.save(record, context.user.login)
        label = sent.identity.get("label", "")
        if label and sent.item is None and record.kind != "scan":
            archive.rename(record, label, project=project, user=context.user.login)
        _make_parts(context, record, sent)
    return None


def _set_status(context: Context, record: Record) -> None:
    if context.flag("quarantine"):
        record.status = "quarantine"
    if context.flag("activate"):
        record.status = "active"


def _make_parts(context: Context, record: Record, sent: Submission) -> None:
    """Make or change what an XML document holds besides the item's own fields: scans, assessors, shares."""
    archive, user = context.store.archive, context.user.login
    for item in sent.parts.get("scans/scan", []):
        id = str(item.fields.pop("ID", ""))
        known = archive.scan(record, id)
        if known is None and id:
            archive.create_scan(record, id, item.xsi_type, item=item, user=user)
        elif known is not None:
            known.item.fields.update(item.fields)
            known.item.children.update(item.children)
            archive.save(known, user)
    for item in sent.parts.get("sharing/share", []):
        project = str(item.fields.get("project", ""))
        if archive.project(project) and not archive.share_in(record, project) and context.can("edit", project):
            archive.share(record, project, str(item.fields.get("label", "")) or None)


def _check_type(context: Context, xsi_type: str, kind: str) -> None:
    if not xsi_type:
        raise Refused(417, NEED_CONTENTS)
    root = ROOTS[kind] if kind != "experiment" else "xnat:subjectAssessorData"
    if not context.schemas.is_a(xsi_type, root):
        raise Refused(400, f"{xsi_type} is not a type of {kind}s on this server")


def _writable_project(context: Context) -> Record:
    project = context.require("read", context.store.archive.project(context.path["project"]), lookup.NO_ITEM)
    if not context.can("edit", project.id):
        raise Refused(403)
    return project


def _created(context: Context, path: str) -> Response:
    url = f"{context.settings.site_url}{path}"
    response = render.text(url)
    response.headers["Location"] = url
    return response


# -- removing ---------------------------------------------------------------------------------------------------------


def delete_subject(context: Context) -> Response:
    """DELETE .../subjects/{subject}: where it is only shared into, the share."""
    return _delete(context, lookup.find_subject(context), "Unable to find the specified subject.")


def delete_experiment(context: Context) -> Response:
    """DELETE .../experiments/{experiment}, session or assessor."""
    return _delete(context, lookup.find_experiment(context), lookup.NO_ITEM)


def delete_part(kind: str) -> Callable[[Context], Response]:
    """DELETE of a scan, assessor or reconstruction."""
    message = f"Unable to find the specified {kind}."
    return lambda context: _delete(context, lookup.find_part(context, kind), message)


def _delete(context: Context, record: Record | None, missing: str) -> Response:
    record = context.require("read", record, missing)
    project = lookup.seen_project(context)
    if project and project != record.project and context.store.archive.share_in(record, project):
        if not context.can("delete", project):
            raise Refused(403)
        context.store.archive.unshare(record, project)
        return render.text()
    context.require("delete", record, missing)
    context.store.archive.delete(record, remove_files=context.flag("removeFiles"))
    return render.text()


_SUBJECTS = ("/data/projects/{project}/subjects/{subject}", "/data/subjects/{subject}")
_EXPERIMENTS = (
    "/data/projects/{project}/subjects/{subject}/experiments/{experiment}",
    "/data/projects/{project}/experiments/{experiment}",
    "/data/experiments/{experiment}",
)
# There is no /data/projects/P/experiments/E/scans: it is the experiment, with a rest that is ignored.
_SESSIONS = (_EXPERIMENTS[0], _EXPERIMENTS[2])


def _routes() -> list[Route]:
    found = [
        Route("POST", "/data/projects/{project}/subjects", atomic(post_subject)),
        Route("POST", "/data/projects/{project}/experiments", atomic(post_experiment)),
        Route("POST", "/data/projects/{project}/subjects/{subject}/experiments", atomic(post_experiment)),
        Route("GET", "/data/assessors/{assessor}", get_part("assessor")),
    ]
    for base in _SUBJECTS:
        found += [Route("GET", base, get_subject), Route("GET", f"{base}/{{rest*}}", get_subject)]
        found += [Route("PUT POST", base, atomic(put_subject)), Route("DELETE", base, atomic(delete_subject))]
    for base in _EXPERIMENTS:
        found += [Route("GET", base, get_experiment), Route("GET", f"{base}/{{rest*}}", get_experiment)]
        found += [Route("PUT POST", base, atomic(put_experiment)), Route("DELETE", base, atomic(delete_experiment))]
    parts = (
        ("scan", put_scan, post_scan),
        ("assessor", put_assessor, post_assessor),
        ("reconstruction", put_reconstruction, None),
    )
    for base in _SESSIONS:
        for kind, put, post in parts:
            one = f"{base}/{kind}s/{{{kind}}}"
            found += [Route("GET", one, get_part(kind)), Route("GET", f"{one}/{{rest*}}", get_part(kind))]
            found += [Route("PUT", one, atomic(put)), Route("DELETE", one, atomic(delete_part(kind)))]
            if post:
                found.append(Route("POST", f"{base}/{kind}s", atomic(post)))
    return found


ROUTES = _routes()
