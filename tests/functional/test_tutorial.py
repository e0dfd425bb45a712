"""The tutorial and the scripting tutorial of the 0.3.16 document, run as printed.

The transcripts stand here as the document prints them, apart from what its printing did to them (folded lines), Python
3's ``print()``, and the prefix ``u''`` of Python 2, which the comparison passes over. Each of the document's servers is
a sandbox with what the printed answers tell of it. The digits of accession numbers and of times differ from those
printed, as do host names and folders; everything else has to come out.
"""

from __future__ import annotations

import doctest
import getpass
import io
import logging
import re
import subprocess
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from pydicom.config import disable_value_validation

import xnat
from xnat.sandbox import Sandbox

# -- the document's data -----------------------------------------------------------------------------------------------

STUDY = "1.2.826.0.1.3680043.10.1338.1"
#: Folder of pydicom's MR files → (ID, type) of the scan they are in the document, and the names of its files.
SCANS = {
    "MR2": ("1001-MR2", "FLAIR", ("IM2", "IM32", "IM11", "IM4", "IM5", "IM6", "IM7")),
    "MR700": ("1001-MR3", "T1", ("IM3", "IM13", "IM23", "IM33", "IM43", "IM53", "IM63")),
    "MR1": ("1001-MR1", "PD", ("IM1", "IM12", "IM21")),
}


def anonymiz_zip(patient: str = "ANONYMIZ") -> bytes:
    """ANONYMIZ.zip: an MR session of three scans, made of pydicom's own files."""
    folder = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / "98892003"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (id_, type_, files) in SCANS.items():
            for path, file in zip(sorted((folder / name).iterdir()), files, strict=True):
                image = pydicom.dcmread(path)
                image.PatientName = image.PatientID = patient
                image.StudyInstanceUID = STUDY
                image.SeriesDescription = type_
                # Without a number the sandbox names the scan by its UID.
                image.SeriesNumber, image.SeriesInstanceUID = None, id_
                out = io.BytesIO()
                image.save_as(out)
                archive.writestr(f"{name}/{file}.dcm", out.getvalue())
    return packed.getvalue()


@pytest.fixture(scope="module")
def anonymiz() -> bytes:
    return anonymiz_zip()


def fill_sandbox(session: Any, anonymiz: bytes) -> None:
    """Project ``sandbox`` with subject ``test001``, which has an MR session."""
    project = session.classes.ProjectData(parent=session, id_="sandbox", name="sandbox project")
    subject = session.classes.SubjectData(parent=project, label="test001")
    session.services.import_(data=anonymiz, project=project, subject=subject, experiment="test001_MR")


def fill_brainimages(session: Any, anonymiz: bytes) -> None:
    """Projects ``brainimages``, with session ``ANONYMIZ``, and ``fastrtutorial``."""
    project = session.classes.ProjectData(parent=session, id_="brainimages", name="Brain Image Analysis")
    session.classes.ProjectData(parent=session, id_="fastrtutorial", name="Fastr Tutorial")
    experiment = session.services.import_(data=anonymiz, project=project, subject="ANONYMIZ", experiment="ANONYMIZ")
    experiment.fields["brain_volume"] = "0"


def fill_sample(session: Any, anonymiz: bytes) -> None:
    """Project ``Sample_DICOM`` with two subjects, for everybody to see; and ``myproject``."""
    project = session.classes.ProjectData(parent=session, name="Sample_DICOM")
    for label in ("dcmtest1", "PACE_HF_SUPINE"):
        session.classes.SubjectData(parent=project, label=label)
    session.put("/data/projects/Sample_DICOM/accessibility/public")
    session.classes.ProjectData(parent=session, name="myproject")


Fill = Callable[[Any, bytes], None]
#: By the name the document gives a server: what it is, and what is on it.
SERVERS: dict[str, tuple[dict[str, Any], Fill]] = {
    "https://central.xnat.org": ({"site_id": "CENTRAL", "require_login": False}, fill_sample),
    "http://images.xnat.org": ({}, fill_sandbox),
    "http://my.xnat.server": ({"password": "secret", "require_login": False}, lambda session, anonymiz: None),
    "https://xnat.example.com": ({"site_id": "EXAMPLE"}, fill_sample),
    "http://145.100.58.186/xnat": (
        {"site_id": "demo", "context_path": "/xnat", "xnat_version": "1.6.4"},
        fill_brainimages,
    ),
}


@pytest.fixture(scope="module")
def servers(anonymiz: bytes) -> Iterator[Mapping[str, Sandbox]]:
    """The servers of the document, by the names it gives them."""
    with ExitStack() as running:
        found = {}
        for name, (options, fill) in SERVERS.items():
            server = found[name] = running.enter_context(Sandbox(**options))
            with xnat.connect(server.url, user=server.user, password=server.password) as session:
                fill(session, anonymiz)
            server.add_user("test", "test", admin=True)
        yield found


# -- running a transcript ----------------------------------------------------------------------------------------------


class Checker(doctest.OutputChecker):
    """Compares what is printed with what the document prints, but for what no two runs have in common."""

    def __init__(self, names: Mapping[str, str]) -> None:
        #: what stands in the output → what the document has there (hosts, folders)
        self.names = names

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(self.plain(want), self.plain(got), optionflags)

    def plain(self, text: str) -> str:
        for here, there in self.names.items():
            text = text.replace(here, there)
        text = re.sub(r"\bu(?=')", "", text)
        text = re.sub(r"\b([A-Za-z]+_[SE])\d{5}\b", r"\1#####", text)
        text = re.sub(r"\b\d{8}_\d{9}\b", "<timestamp>", text)
        # A progress bar is for terminals, which a test has none of.
        return re.sub(r"^\d+ kb\n", "", text, flags=re.MULTILINE)


def as_doctest(transcript: str) -> str:
    """An IPython transcript with the prompts of Python's own console.

    A call that prints lines but has no ``Out`` gave no answer worth showing then; here some give a path or a report.
    """
    cells = re.split(r"^In \[\d+\]: ", transcript, flags=re.MULTILINE)
    silent = re.compile(r"[\w.\[\]']+\(.*\)\n(?!Out)\S")
    typed = [f">>> {'_ = ' if silent.match(cell) else ''}{cell}" for cell in cells[1:]]
    return cells[0] + re.sub(r"^Out\[\d+\]: ", "", "".join(typed), flags=re.MULTILINE)


class DocumentChecker(Checker):
    """Where the document prints no answer, there is none to compare with."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


class Console:
    """Types transcripts in, one after the other, and compares the answers."""

    def __init__(self, servers: Mapping[str, Sandbox], folder: Path) -> None:
        self.globals: dict[str, Any] = {}
        self.hosts = {server.url: name for name, server in servers.items()}
        self.folders = {str(folder): "/home/hachterberg/temp"}
        self.checker = DocumentChecker({**self.hosts, **self.folders})

    def run(self, name: str, transcript: str) -> None:
        source = as_doctest(transcript)
        for here, there in self.folders.items():
            source = re.sub(rf"{there}|/path/to\b", here, source)
        examples = doctest.DocTestParser().get_doctest(source, self.globals, name, None, 0)
        assert examples.examples, f"nothing to run in {name}"
        examples.globs = self.globals
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        runner = doctest.DocTestRunner(self.checker, verbose=False, optionflags=flags)
        told: list[str] = []
        runner.run(examples, out=told.append, clear_globs=False)
        assert runner.failures == 0, "".join(told)


@pytest.fixture
def console(
    servers: Mapping[str, Sandbox], anonymiz: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Console]:
    """A console in an empty folder, where ``xnat.connect`` finds the document's servers and the user types 'test'."""
    connect = xnat.connect
    opened = []

    def by_name(server: str, *args: Any, **options: Any) -> Any:
        session = connect(servers[server].url, *args, **options)
        opened.append(session)
        return session

    def typed(prompt: str) -> str:
        print(prompt)
        return "test"

    monkeypatch.setattr(xnat, "connect", by_name)
    monkeypatch.setattr(getpass, "getpass", typed)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ANONYMIZ.zip").write_bytes(anonymiz)
    (tmp_path / "archive.zip").write_bytes(anonymiz)
    (tmp_path / "Downloads").mkdir()
    yield Console(servers, tmp_path)
    for session in opened:
        session.disconnect()


# -- 1.1.1 and 1.4.1: the examples beside the tutorials ----------------------------------------------------------------

GETTING_STARTED = """
>>> import xnat
>>> session = xnat.connect('https://central.xnat.org', user="", password="")
>>> session.projects['Sample_DICOM'].subjects
>>> session.disconnect()
"""

# The subjects stand there as <SubjectData CENTRAL_S01894>, which was the form of an older version.
PREFERRED_USE = """
>>> import xnat
>>> with xnat.connect('https://central.xnat.org') as session:
...     subjects = session.projects['Sample_DICOM'].subjects
...     print('Subjects in the SampleDICOM project: {}'.format(subjects))
Subjects in the SampleDICOM project: <XNATListing (CENTRAL_S01894, dcmtest1): <SubjectData dcmtest1 (CENTRAL_S01894)>, (CENTRAL_S00461, PACE_HF_SUPINE): <SubjectData PACE_HF_SUPINE (CENTRAL_S00461)>>

>>> import xnat
>>> session = xnat.connect('https://central.xnat.org')
>>> subjects = session.projects['Sample_DICOM'].subjects
>>> print('Subjects in the SampleDICOM project: {}'.format(subjects))
Subjects in the SampleDICOM project: <XNATListing (CENTRAL_S01894, dcmtest1): <SubjectData dcmtest1 (CENTRAL_S01894)>, (CENTRAL_S00461, PACE_HF_SUPINE): <SubjectData PACE_HF_SUPINE (CENTRAL_S00461)>>
>>> session.disconnect()
"""  # noqa: E501 - as long as what is printed


def test_getting_started(console: Console) -> None:
    console.run("1.1.1 Getting started", GETTING_STARTED)
    console.run("1.4.1 xnat Package", PREFERRED_USE)


# -- 1.2: the tutorial -------------------------------------------------------------------------------------------------

CONNECTING = """
>>> import xnat
>>> session = xnat.connect('https://central.xnat.org')
>>> session.disconnect()
>>> session = xnat.connect('http://my.xnat.server', user='admin', password='secret')
"""

NETRC = """
echo "machine images.xnat.org
 login admin
 password admin" > ~/.netrc
chmod 600 ~/.netrc
"""

SELF_CLOSING = """
>>> with xnat.connect('http://my.xnat.server') as session:
...     print(session.projects)
"""

EXPLORING = """
>>> import xnat
>>> session = xnat.connect('http://images.xnat.org', user='admin', password='admin')
>>> session.projects
<XNATListing (sandbox, sandbox project): <ProjectData sandbox project (sandbox)>>

>>> sandbox_project = session.projects["sandbox"]
>>> sandbox_project.subjects
<XNATListing (XNAT_S00001, test001): <SubjectData test001 (XNAT_S00001)>>
"""

LOOPING = """
>>> sandbox_project.subjects.keys()
[u'XNAT_S00001']
>>> sandbox_project.subjects.values()
[<SubjectData test001 (XNAT_S00001)>]
>>> len(sandbox_project.subjects)
1
>>> for subject in sandbox_project.subjects.values():
...     print(subject.label)
test001
"""

DOWNLOADING = """
>>> subject = sandbox_project.subjects['test001']
>>> subject.download_dir('./Downloads/test001')
"""

IMPORTING = """
>>> session.services.import_('/path/to/archive.zip', project='sandbox', subject='test002')
"""

PREARCHIVE = """
>>> session.prearchive.sessions()
[]
"""

# The answer is <SubjectData new_subject_label> in the document, from before IDs were known at creation.
CREATION = """
>>> import xnat
>>> connection = xnat.connect('https://xnat.example.com')
>>> project = connection.projects['myproject']
>>> subject = connection.classes.SubjectData(parent=project, label='new_subject_label')
>>> subject
<SubjectData new_subject_label (EXAMPLE_S00003)>

>>> dir(connection.classes)
"""


def test_tutorial(console: Console, servers: Mapping[str, Sandbox], tmp_path: Path) -> None:
    console.run("1.2.3 Connecting to a server", CONNECTING)

    host = servers["http://images.xnat.org"].url.removeprefix("http://")
    subprocess.run(["sh", "-e", "-c", NETRC.replace("images.xnat.org", host)], check=True)
    assert (tmp_path / ".netrc").stat().st_mode & 0o777 == 0o600
    with xnat.connect("http://images.xnat.org") as session:
        assert session.logged_in_user == "admin"

    console.run("1.2.3 Self-closing sessions", SELF_CLOSING)
    console.run("1.2.4 Exploring your xnat server", EXPLORING)
    console.run("1.2.5 Looping over data", LOOPING)

    console.run("1.2.6 Downloading data", DOWNLOADING)
    files = list((tmp_path / "Downloads/test001").rglob("*.dcm"))
    assert len(files) == sum(len(names) for _, _, names in SCANS.values())

    console.run("1.2.7 Importing data into XNAT", IMPORTING)
    (imported,) = console.globals["sandbox_project"].subjects["test002"].experiments.values()
    assert [scan.type for scan in imported.scans.values()] == ["FLAIR", "T1", "PD"]

    console.run("1.2.8 Prearchive", PREARCHIVE)

    host = servers["https://xnat.example.com"].url.removeprefix("http://")
    with (tmp_path / ".netrc").open("a") as netrc:
        netrc.write(f"machine {host} login admin password admin\n")
    console.run("1.2.9 Object creation", CREATION)
    classes = console.globals["connection"].classes
    assert {"SubjectData", "MrSessionData", "CtSessionData"} <= set(dir(classes))
    # The running text writes these names so.
    assert (classes.MRSessionData, classes.CTSessionData) == (classes.MrSessionData, classes.CtSessionData)


# -- 1.3: the scripting tutorial ---------------------------------------------------------------------------------------

CREATE_A_CONNECTION = """
In [1]: import xnat

In [2]: session = xnat.connect('http://145.100.58.186/xnat', user='test')
Please enter the password for user 'test':
"""

#: What the document shows of the log meanwhile; which schemas there are besides depends on the server.
LOGGED = """
[INFO] Found an 1.6 version (1.6.4)
[INFO] Retrieving schema from http://145.100.58.186/xnat/schemas/xnat/xnat.xsd
"""

BROWSING = """
In [3]: session.projects
Out[3]: <XNATListing (brainimages, Brain Image Analysis): <ProjectData Brain Image Analysis (brainimages)>, (fastrtutorial, Fastr Tutorial): <ProjectData Fastr Tutorial (fastrtutorial)>>

In [4]: project = session.projects['brainimages']

In [5]: project.subjects
Out[5]: <XNATListing (demo_S00081, ANONYMIZ): <SubjectData ANONYMIZ (demo_S00081)>>
"""  # noqa: E501 - as long as what is printed

IMPORT_INTO_ARCHIVE = """
In [6]: experiment = session.services.import_('/home/hachterberg/temp/ANONYMIZ.zip', project='brainimages', subject='ANONYMIZ2', experiment='ANONYMIZ2')
"""  # noqa: E501

IMPORT_VIA_PREARCHIVE = """
In [7]: prearchive_session = session.services.import_('/home/hachterberg/temp/ANONYMIZ.zip', project='brainimages', destination='/prearchive')

In [8]: prearchive_session
Out[8]: <PrearchiveSession brainimages/20161107_114859342/ANONYMIZ>

In [9]: session.prearchive.sessions()
Out[9]: [<PrearchiveSession brainimages/20161107_114859342/ANONYMIZ>]

In [10]: prearchive_session = session.prearchive.sessions()[0]

In [11]: experiment = prearchive_session.archive(subject='ANONYMIZ3', experiment='ANONYMIZ3')

In [11]: experiment
Out[11]: <MrSessionData ANONYMIZ3 (demo_E00092)>
"""  # noqa: E501

DOWNLOAD_DATA = """
In [12]: experiment.scans
Out[12]: <XNATListing (1001-MR2, FLAIR): <MrScanData FLAIR (1001-MR2)>, (1001-MR3, T1): <MrScanData T1 (1001-MR3)>, (1001-MR1, PD): <MrScanData PD (1001-MR1)>>

In [13]: experiment.scans['T1']
Out[13]: <MrScanData T1 (1001-MR3)>

In [14]: experiment.scans['T1'].download('/home/hachterberg/temp/T1.zip')
Downloading http://145.100.58.186/xnat/data/experiments/demo_E00091/scans/1001-MR3/files?format=zip:
13035 kb
Saved as /home/hachterberg/temp/T1.zip...

In [15]: subject = experiment.subject

In [16]: subject.download_dir('/home/hachterberg/temp/')
Downloading http://145.100.58.186/xnat/data/experiments/demo_E00091/scans/ALL/files?format=zip:
23736 kb
Downloaded image session to /home/hachterberg/temp/ANONYMIZ3
Downloaded subject to /home/hachterberg/temp/ANONYMIZ3
"""  # noqa: E501

#: The answer to ``In [17]: !find /home/hachterberg/temp/ANONYMIZ3``, in any order and with others between.
FOUND = """
/home/hachterberg/temp/ANONYMIZ3
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans/1001-MR2-FLAIR
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans/1001-MR2-FLAIR/resources
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans/1001-MR2-FLAIR/resources/DICOM
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans/1001-MR2-FLAIR/resources/DICOM/files
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans/1001-MR2-FLAIR/resources/DICOM/files/IM2.dcm
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans/1001-MR2-FLAIR/resources/DICOM/files/IM32.dcm
/home/hachterberg/temp/ANONYMIZ3/ANONYMIZ3/scans/1001-MR2-FLAIR/resources/DICOM/files/IM11.dcm
"""

INSPECT_DICOM_TAGS = """
In [10]: experiment.scans['T1'].dicom_dump()
In [11]: experiment.scans['T1'].dicom_dump(fields="PatientID")
In [12]: experiment.scans['T1'].dicom_dump(fields=["PatientID", "PatientName"])
"""

CUSTOM_VARIABLES = """
In [18]: experiment = project.subjects['ANONYMIZ'].experiments['ANONYMIZ']

In [19]: experiment.fields
Out[19]: <VariableMap {u'brain_volume': u'0'}>

In [20]: experiment.fields['brain_volume']
Out[20]: u'0'

In [21]: experiment.fields['brain_volume'] = 42.0

In [22]: experiment.fields
Out[22]: <VariableMap {u'brain_volume': u'42.0'}>

In [27]: experiment.fields['brain_volume']
Out[27]: u'42.0'
"""


def test_scripting_tutorial(console: Console, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "xnat"):
        console.run("1.3.1 Create a connection", CREATE_A_CONNECTION)
    logged = [console.checker.plain(f"[{record.levelname}] {record.getMessage()}") for record in caplog.records]
    assert [line for line in logged if line in LOGGED.split("\n")] == LOGGED.strip().split("\n")
    console.run("1.3.1 Create a connection", BROWSING)

    console.run("1.3.2 Importing data into XNAT", IMPORT_INTO_ARCHIVE)
    assert console.globals["experiment"].label == "ANONYMIZ2"
    assert console.globals["experiment"].subject.label == "ANONYMIZ2"
    console.run("1.3.2 Importing data into XNAT", IMPORT_VIA_PREARCHIVE)
    assert console.globals["session"].prearchive.sessions() == []

    console.run("1.3.3 Download data", DOWNLOAD_DATA)
    with zipfile.ZipFile(tmp_path / "T1.zip") as archive:
        assert {Path(name).stem for name in archive.namelist()} == set(SCANS["MR700"][2])
    found = subprocess.run(["find", tmp_path / "ANONYMIZ3"], check=True, capture_output=True, text=True).stdout
    assert set(FOUND.split()) <= set(console.checker.plain(found).split())

    console.run("1.3.4 Inspect DICOM tags", INSPECT_DICOM_TAGS)
    scan = console.globals["experiment"].scans["T1"]
    assert [row["desc"] for row in scan.dicom_dump(fields="PatientID")] == ["Patient ID"]
    assert len(scan.dicom_dump(fields=["PatientID", "PatientName"])) == 2
    assert len(scan.dicom_dump()) > 20

    console.run("1.3.5 Custom variables", CUSTOM_VARIABLES)
