"""Logging in and out: /data/services/auth, /data/JSESSION, /data/auth, alias tokens, and the HTML pages."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from .. import render
from ..errors import Refused
from ..routing import Context, Route
from ..store_users import GUEST, Token

AUTHENTICATION_METHODS = {"", "db", "localdb", "local"}


def login(context: Context) -> Response:
    """PUT or POST /data/services/auth: a session for a form's username and password."""
    form = context.request.form
    name = form.get("username") or form.get("j_username") or ""
    password = form.get("password") or form.get("j_password") or ""
    if not name:
        raise Refused(404)
    if form.get("authenticatorId", "") not in AUTHENTICATION_METHODS:
        raise Refused(400, f"Unknown authenticator {form['authenticatorId']}")
    provider = (form.get("provider") or form.get("login_method") or "").lower()
    user = context.store.users.check(name, password) if provider in AUTHENTICATION_METHODS else None
    if user is None:
        raise Refused(401, "Authentication failed.")
    context.user = user
    context.session = context.sessions.create(user.login)
    return render.text(context.session.id)


def no_login(context: Context) -> Response:
    """GET /data/services/auth: there is nothing to read."""
    raise Refused(404)


def session_id(context: Context) -> Response:
    """GET or POST /data/JSESSION: the session's ID; it makes one for strangers too."""
    if context.session is None:
        context.session = context.sessions.create(GUEST.login)
    return render.text(context.session.id + _csrf(context))


def logout(context: Context) -> Response:
    """DELETE /data/JSESSION."""
    if context.session is not None:
        context.sessions.end(context.session.id)
        context.session = None
    return render.text()


def who(context: Context) -> Response:
    """GET /data/auth: who is logged in."""
    if context.user.guest:
        raise Refused(401)
    stop = "" if context.settings.at_least("1.8") else "."
    return render.text(f"User '{context.user.login}' is logged in{stop}{_csrf(context)}")


def _csrf(context: Context) -> str:
    return f"; XNAT_CSRF={context.session.csrf}" if context.session and context.flag("CSRF") else ""


# -- alias tokens -----------------------------------------------------------------------------------------------------


def _token(token: Token) -> dict[str, Any]:
    return {
        "secret": token.secret,
        "estimatedExpirationTime": token.expires,
        "alias": token.alias,
        "xdatUserId": token.login,
        "singleUse": False,
        "id": token.id,
        "disabled": 0,
        "created": token.created,
        "enabled": token.enabled,
        "timestamp": token.created,
    }


def issue_token(context: Context) -> Response:
    """GET /data/services/tokens/issue[/user/{login}]."""
    login = context.path.get("login", context.user.login)
    if context.user.guest or (login != context.user.login and not context.user.admin):
        raise Refused(403)
    if context.store.users.get(login) is None:
        raise Refused(404)
    return render.json_answer(_token(context.store.users.issue_token(login)))


def show_tokens(context: Context) -> Response:
    """GET /data/services/tokens/show."""
    return render.json_answer([_token(token) for token in context.store.users.tokens(context.user.login)])


def validate_token(context: Context) -> Response:
    """GET /data/services/tokens/validate/{alias}/{secret}."""
    user = context.store.users.check_token(context.path["alias"], context.path["secret"])
    return render.json_answer({"valid": user.login} if user else {})


def invalidate_token(context: Context) -> Response:
    """GET /data/services/tokens/invalidate/{alias}[/{secret}]."""
    if not context.store.users.invalidate_token(context.path["alias"]):
        raise Refused(404)
    return render.json_answer({"result": "OK"})


# -- pages ------------------------------------------------------------------------------------------------------------


def front_page(context: Context) -> Response:
    """GET /: the page that shows who is logged in."""
    return render.front_page(context.settings.context_path, context.user.login, context.user.guest)


def login_page(context: Context) -> Response:
    """GET /app/template/Login.vm."""
    return render.login_page(context.settings.context_path)


_TOKENS = "/data/services/tokens"

ROUTES = [
    Route("PUT POST", "/data/services/auth", login, open=True),
    Route("GET", "/data/services/auth", no_login, open=True),
    Route("GET POST", "/data/JSESSION", session_id, open=True),
    Route("DELETE", "/data/JSESSION/{id*}", logout, open=True),
    Route("DELETE", "/data/JSESSION", logout, open=True),
    Route("GET", "/data/auth", who),
    Route("GET", f"{_TOKENS}/issue", issue_token),
    Route("GET", f"{_TOKENS}/issue/user/{{login}}", issue_token),
    Route("GET", f"{_TOKENS}/show", show_tokens),
    Route("GET", f"{_TOKENS}/validate/{{alias}}/{{secret}}", validate_token),
    Route("GET", f"{_TOKENS}/invalidate/{{alias}}", invalidate_token),
    Route("GET", f"{_TOKENS}/invalidate/{{alias}}/{{secret}}", invalidate_token),
    Route("GET", "/", front_page),
    Route("GET", "/app/template/Index.vm", front_page),
    Route("GET", "/app/template/Login.vm", login_page, open=True),
]
