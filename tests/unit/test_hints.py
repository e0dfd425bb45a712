"""Facts about XNAT hold for the schemas XNAT publishes."""

from __future__ import annotations

from xnat import hints


def test_listings_belong_to_types_with_rest_paths():
    known = set(hints.REST_TYPES) | {"xnat:imageSessionData", "xnat:subjectAssessorData"}
    for hint in hints.REST_LISTINGS:
        assert hint.type in known
        assert hint.item in known
        assert hint.reason


def test_each_listing_is_told_once():
    names = [(hint.type, hint.name) for hint in hints.REST_LISTINGS]
    assert len(names) == len(set(names))
    paths = [hint.path for hint in hints.LISTING_KEYS]
    assert len(paths) == len(set(paths))


def test_extra_types_have_rest_paths():
    assert all(extra.type in hints.REST_TYPES for extra in hints.EXTRA_TYPES)
