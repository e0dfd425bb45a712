"""How many hostile inputs there are: a table that shrinks by accident should be noticed."""

from __future__ import annotations

from . import (
    test_bad_requests,
    test_hostile_answers,
    test_hostile_archives,
    test_hostile_headers,
    test_hostile_labels,
    test_hostile_netrc,
    test_hostile_schemas,
)


def test_there_are_enough() -> None:
    schemas = len(test_hostile_schemas.CASES) + len(test_hostile_schemas.FILES) + len(test_hostile_schemas.LISTS)
    headers = len(test_hostile_headers.HEADS) + len(test_hostile_headers.TARGETS) + len(test_hostile_headers.COOKIES)
    answers = len(test_hostile_answers.LISTINGS) + len(test_hostile_answers.ITEMS) + len(test_hostile_answers.TABLES)
    labels = len(test_hostile_labels.LABELS) + len(test_hostile_labels.ADDRESSES)
    counts = {
        "schemas": (schemas, 550),
        "archives": (len(test_hostile_archives.ARCHIVES), 75),
        "labels": (labels, 90),
        "headers, redirects, cookies": (headers, 130),
        "netrc": (len(test_hostile_netrc.FILES), 50),
        "answers": (answers, 700),
        "requests": (len(test_bad_requests.REQUESTS), 90),
    }
    assert {name: count for name, (count, wanted) in counts.items() if count < wanted} == {}
