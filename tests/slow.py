"""Which tests "make test" leaves to "make slow", beside those marked where they stand: many cases of one kind.

A row is a beginning of test IDs and why. Of a table of cases some stay in the fast suite: one in so many.
"""

from __future__ import annotations

from typing import NamedTuple


class Slow(NamedTuple):
    """Tests whose IDs begin so are slow, but for every ``keep``-th of them (0: none stays)."""

    prefix: str
    keep: int
    reason: str


SLOW = [
    Slow("tests/functional/test_fault_matrix.py::", 20, "458 cases, each with a server session of its own"),
    Slow("tests/functional/test_filesystem.py::", 10, "fsspec's own suites"),
    Slow("tests/functional/test_notebook.py::", 0, "completers and kernels"),
    Slow("tests/functional/cli/test_cli_start.py::", 2, "a process per command"),
    Slow("tests/functional/cli/", 0, "a process per command"),
    Slow("tests/functional/test_examples.py::test_", 5, "a process per program"),
    Slow("tests/functional/test_docs.py::test_page[docs/howto", 0, "a sandbox per page"),
    Slow("tests/functional/test_memory.py::", 0, "hundreds of megabytes"),
    Slow("tests/functional/test_threads.py::", 0, "threads for seconds"),
    Slow("tests/functional/test_pickle.py::test_other_processes", 0, "new interpreters"),
    Slow("tests/functional/test_pickle.py::", 6, "a second process each"),
    Slow("tests/functional/test_dask.py::", 0, "clusters"),
    Slow("tests/functional/test_mapping.py::", 4, "many objects"),
    Slow("tests/functional/test_dicom_remote.py::", 8, "many files"),
    Slow("tests/functional/test_defects.py::test_w15", 0, "waits between retries"),
    Slow("tests/functional/test_defects.py::test_w31", 0, "a process per command"),
    Slow("tests/functional/test_defects.py::test_w35", 0, "waits for timeouts"),
    Slow("tests/functional/test_defects.py::test_w48", 0, "thousands of sessions"),
    Slow("tests/functional/test_defects.py::", 4, "a server each"),
    Slow("tests/functional/test_writes.py::", 5, "a server each"),
    Slow("tests/functional/test_uploads.py::", 5, "a server each"),
    Slow("tests/functional/test_services.py::", 5, "imports"),
    Slow("tests/functional/test_custom_forms.py::", 4, "a server each"),
    Slow("tests/functional/test_api_more.py::", 5, "a server each"),
    Slow("tests/functional/test_api_release.py::", 3, "a server each"),
    Slow("tests/functional/test_other_servers.py::", 4, "a server each"),
    Slow("tests/functional/test_editors.py::test_stubs_of", 0, "a type checker over all types of a server"),
    Slow("tests/functional/test_prearchive.py::test_cut", 0, "waits between retries"),
    Slow("tests/functional/test_prearchive.py::", 5, "imports"),
    Slow("tests/functional/test_download.py::test_cut", 0, "waits between retries"),
    Slow("tests/functional/test_browsing.py::test_help", 0, "pydoc is slow"),
    Slow("tests/functional/test_api_items_session.py::test_a54", 0, "waits between retries"),
    Slow("tests/functional/test_recovery.py::", 6, "waits between retries"),
    Slow("tests/functional/test_resume.py::", 0, "processes that are killed"),
    Slow("tests/unit/transfer/test_resume.py::", 0, "processes that are killed"),
    Slow("tests/unit/transfer/test_memory.py::", 0, "hundreds of megabytes"),
    Slow("tests/unit/transfer/test_download_tree.py::", 2, "a server each"),
    Slow("tests/unit/convert_xsd/test_convert_real_core.py::test_stubs_pass", 0, "a type checker over all types"),
    Slow("tests/unit/convert_xsd/test_convert_real_core.py::", 3, "every class of real schemas"),
    Slow("tests/security/test_hostile", 6, "tables of hostile inputs"),
    Slow("tests/security/test_secrets.py::test_failed_logins", 2, "waits between retries"),
    Slow("tests/contract/test_sandbox_server.py::", 4, "a server each"),
]


def is_slow(test_id: str, seen: dict[str, int]) -> bool:
    """Whether this test is left to 'make slow'; ``seen`` counts the tests of each row."""
    for row in SLOW:
        if test_id.startswith(row.prefix):
            number = seen.get(row.prefix, 0)
            seen[row.prefix] = number + 1
            return not row.keep or number % row.keep != 0
    return False
