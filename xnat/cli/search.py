"""``xnat search``."""

from __future__ import annotations

import argparse
import csv
import io
import re
from typing import TYPE_CHECKING, Any

from .connect import open_session
from .create import class_named
from .failures import OK, UsageError
from .options import standard_options
from .output import Output

if TYPE_CHECKING:
    from xnat.search import BaseConstraint
    from xnat.session import XNATSession

__all__ = ["add_search"]

# The longest operators first, or '>=' would be '>' and a value '=...'.
_CONDITION = re.compile(r"\s*([\w:/.\[\]=@-]+?)\s*(>=|<=|!=|~|=|>|<)\s*(.*)\Z", re.DOTALL)


def add_search(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Search the whole server for things of one type. A condition is FIELD, one of = != < <= > >= ~ (like), and a "
        "value, in quotes against the shell: 'date>=2016-01-01', 'label~brain*', 'scanner/model='. Nothing after = or "
        "!= means that the field isn't, or is, set."
    )
    parser.add_argument("type", nargs="?", metavar="TYPE", help="xsi type or class, as xnat:mrSessionData; see --types")
    parser.add_argument("condition", nargs="*", metavar="CONDITION", help="all of them have to hold")
    parser.add_argument("--any", action="store_true", help="one of them has to hold")
    parser.add_argument("--columns", action="append", metavar="A,B", help="these fields")
    parser.add_argument("--sort", metavar="FIELD", help="sort by a field; --sort=-FIELD for the other way round")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N only")
    parser.add_argument("--types", action="store_true", help="list the types that can be searched for")
    parser.add_argument("--fields", action="store_true", help="list the fields of TYPE that can be searched by")
    standard_options(parser)
    parser.set_defaults(run=run_search)


def run_search(args: argparse.Namespace, out: Output) -> int:
    """Search."""
    if not args.type and not args.types:
        raise UsageError("give a TYPE, as xnat:mrSessionData; 'xnat search --types' lists them")
    with open_session(args, out) as session:
        if args.types:
            out.table(("type",), [{"type": name} for name in session.inspect.datatypes()])
        elif args.fields:
            fields = session.inspect.datafields(class_named(session, args.type), prepend_type=False)
            out.table(("field",), [{"field": name} for name in fields])
        else:
            columns, rows = _search(session, args)
            out.table(columns, rows)
            if not rows:
                out.say("nothing was found")
    return OK


def _search(session: XNATSession, args: argparse.Namespace) -> tuple[list[str], list[dict[str, str]]]:
    from xnat.search import Query, and_, or_

    cls = class_named(session, args.type)
    query = Query(cls, session)
    if args.condition:
        join = or_ if args.any else and_
        query = query.filter(join(*(_constraint(cls, text) for text in args.condition)))
    columns = [name.strip() for group in args.columns or [] for name in group.split(",") if name.strip()]
    if columns:
        query = query.view(*columns)
    if args.sort:
        query = query.order_by(args.sort.removeprefix("-"), descending=args.sort.startswith("-"))
    if args.limit is not None:
        query = query.limit(args.limit)
    # As CSV, since that has its columns also when nothing is found.
    header, *found = list(csv.reader(io.StringIO(query.tabulate_csv()))) or [[]]
    return header, [dict(zip(header, row, strict=False)) for row in found]


def _constraint(cls: Any, text: str) -> BaseConstraint:
    from xnat.search import SearchField

    match = _CONDITION.match(text)
    if match is None:
        raise UsageError(f"{text!r} is no condition; write FIELD, one of = != < <= > >= ~, and a value")
    name, operator, value = match.groups()
    field = _field(cls, name, SearchField)
    if operator == "~":
        return field.like(value)  # type: ignore[no-any-return]
    if not value:
        if operator not in ("=", "!="):
            raise UsageError(f"{text!r}: nothing follows {operator}")
        return field.is_null() if operator == "=" else field.is_not_null()  # type: ignore[no-any-return]
    typed = _typed(value)
    compare: dict[str, Any] = {
        "=": field.__eq__,
        "!=": field.__ne__,
        "<": field.__lt__,
        "<=": field.__le__,
        ">": field.__gt__,
        ">=": field.__ge__,
    }
    return compare[operator](typed)  # type: ignore[no-any-return]


def _field(cls: Any, name: str, make: Any) -> Any:
    if ":" in name.split("/")[0]:
        return make(name)
    if re.fullmatch(r"[A-Z][A-Z0-9_]*", name):  # display fields are named in capitals
        return make(f"{cls.XSI_TYPE}.{name}")
    found = getattr(cls, name, None)
    return found if isinstance(found, make) else make(f"{cls.XSI_TYPE}/{name}")


def _typed(value: str) -> Any:
    """A date as a date: XNAT reads another form of it than people write."""
    import datetime

    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            raise UsageError(f"there is no day {value}") from None
    return value
