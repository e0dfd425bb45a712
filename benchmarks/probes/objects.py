"""What this client and xnatpy do with the same lines; the latter runs it in its own environment."""

import contextlib
import importlib
import inspect
import io
import os
import sys
import time

from meter import main, measure


def importing(module, **_):
    """``import`` of a module."""
    return measure(lambda: importlib.import_module(module).__name__)


def _connected(url, user, password):
    import xnat

    return xnat.connect(url, user=user, password=password, loglevel="ERROR")


def connect(url, user, password, before=()):
    """``xnat.connect``, in a process that imported the package before; what it leaves to import until then counts,
    but for what ``before`` names."""
    import xnat  # noqa: F401

    for module in before:
        importlib.import_module(module)

    kept = []

    def work():
        kept.append(_connected(url, user, password))
        return len(kept[0].XNAT_CLASS_LOOKUP)

    result = measure(work)
    kept[0].disconnect()
    del kept[0]
    start = time.process_time()
    session = _connected(url, user, password)
    result["cpu_again"] = time.process_time() - start
    session.disconnect()
    return result


def _during(url, user, password, work):
    with _connected(url, user, password) as session:
        return measure(lambda: work(session))


def subjects(url, user, password, project):
    """Read the label of every subject."""

    def work(session):
        found = session.projects[project].subjects
        return sum(len(subject.label) for subject in found.values()), found

    return _during(url, user, password, work)


FIELDS = ("type", "quality", "series_description", "note")


def nested(url, user, password, project):
    """Four attributes of every scan of every session, as users write it."""

    def work(session):
        found = []
        for experiment in session.projects[project].experiments.values():
            for scan in experiment.scans.values():
                found.append([getattr(scan, name) for name in FIELDS])
        return len(found)

    return _during(url, user, password, work)


def prefetched(url, user, password, project):
    """The same loop after a prefetch of the scans, if this client has one."""

    def work(session):
        looked_at = session.projects[project]
        looked_at.prefetch("experiments", "scans")
        found = [
            [getattr(scan, name) for name in FIELDS]
            for experiment in looked_at.experiments.values()
            for scan in experiment.scans.values()
        ]
        return len(found)

    try:
        return _during(url, user, password, work)
    except (AttributeError, TypeError) as error:
        return {"missing": f"{type(error).__name__}: {error}"}


def scans(url, user, password, project):
    """Four attributes of every scan of a project, through the project's own listing of scans."""

    def work(session):
        found = [[getattr(scan, name) for name in FIELDS] for scan in session.projects[project].scans.values()]
        return len(found)

    try:
        return _during(url, user, password, work)
    except AttributeError as error:
        return {"missing": f"AttributeError: {error}"}


def scans_table(url, user, password, project):
    """The same as a table."""

    def work(session):
        return len(session.projects[project].scans.tabulate(columns=["ID", *FIELDS]))

    try:
        return _during(url, user, password, work)
    except AttributeError as error:
        return {"missing": f"AttributeError: {error}"}


def download_zip(url, user, password, project, target, without=()):
    """All files of a resource as one zip file, ``without`` packages that are installed, the way there unmeasured."""
    sys.modules.update(dict.fromkeys(without))
    with _connected(url, user, password) as session:
        experiment = next(iter(session.projects[project].experiments.values()))
        resource = experiment.scans["1"].resources["RAW"]

        def work():
            resource.download(target, verbose=False)
            return project

        return measure(work)


def download_dir(url, user, password, project, target):
    """Everything of a project, unpacked."""
    return _during(url, user, password, lambda session: _quiet(session.projects[project].download_dir, target))


def _quiet(function, *arguments, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        function(*arguments, verbose=False, **options)


def _resource(session, project, place):
    experiment = session.projects[project].experiments[place["session"]]
    return experiment.scans[place["scan"]].resources[place["label"]]


def upload_dir(url, user, password, project, place, source):
    """A folder, each file in a request of its own."""

    def work(session):
        kept = _resource(session, project, place)
        with contextlib.redirect_stdout(io.StringIO()):
            kept.upload_dir(source, method="per_file")

    return _during(url, user, password, work)


def upload_each(url, user, password, project, place, source):
    """The same folder, one file after the other."""

    def work(session):
        kept = _resource(session, project, place)
        # Without looking at the resource after each file, which other clients don't do either.
        options = {"verify": False} if "verify" in inspect.signature(type(kept).upload).parameters else {}
        for name in sorted(os.listdir(source)):
            with contextlib.redirect_stdout(io.StringIO()):
                kept.upload(os.path.join(source, name), name, **options)

    return _during(url, user, password, work)


if __name__ == "__main__":
    main(
        {
            function.__name__: function
            for function in (
                importing, connect, subjects, nested, prefetched, scans, scans_table, download_zip, download_dir,
                upload_dir, upload_each,
            )
        }
    )  # fmt: skip
