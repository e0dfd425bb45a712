"""What pyxnat sees and does: run in its own environment with the server's URL, user, password and a folder."""

import json
import sys
from pathlib import Path

import pyxnat

url, user, password, folder = sys.argv[1:5]
central = pyxnat.Interface(server=url, user=user, password=password)
seen = {"projects": sorted(central.select.projects().get())}

project = central.select.project("brainimages")
seen["project exists"] = project.exists()
seen["name"] = project.attrs.get("name")
subjects = {subject.id(): subject for subject in project.subjects()}
seen["subjects"] = {id_: subject.label() for id_, subject in subjects.items()}
seen["experiments"], seen["scans"] = {}, {}
for id_, subject in subjects.items():
    for experiment in subject.experiments():
        seen["experiments"][experiment.id()] = [id_, experiment.label(), experiment.datatype()]
        seen["scans"][experiment.id()] = {
            scan.id(): [scan.datatype(), scan.attrs.get("type")] for scan in experiment.scans()
        }

scan = project.subject("ANONYMIZ").experiment("ANONYMIZ").scan("700")
seen["resources"] = [resource.label() for resource in scan.resources()]
files = scan.resource("DICOM").files()
seen["files"] = {file.id(): int(file.size()) for file in files}
first = scan.resource("DICOM").file("4467")
seen["download"] = Path(first.get(str(Path(folder, "one.dcm")))).read_bytes().hex()
zipped = scan.resource("DICOM").get(folder, extract=True)
seen["zip"] = sorted(Path(name).name for name in zipped)

# making
subject = project.subject("pyx_subject")
seen["absent"] = subject.exists()
subject.create()
experiment = subject.experiment("pyx_session")
experiment.create(experiments="xnat:mrSessionData")
made = experiment.scan("7")
made.create(scans="xnat:mrScanData")
resource = made.resource("NIFTI")
resource.create()
source = Path(folder, "source.bin")
source.write_bytes(bytes(range(256)) * 64)
resource.file("deep/file.bin").put(str(source), format="RAW", content="TEST", tags="a")
seen["made"] = {
    "exists": [thing.exists() for thing in (subject, experiment, made, resource)],
    "ids": [subject.id(), experiment.id(), made.id()],
    "files": [file.attributes().get("Size") for file in resource.files()],
}
seen["read back"] = Path(resource.file("deep/file.bin").get(str(Path(folder, "back.bin")))).read_bytes().hex()

# attributes
subject.attrs.set("gender", "female")
experiment.attrs.mset({"xnat:mrSessionData/date": "2020-02-03", "xnat:mrSessionData/note": "a note: é"})
made.attrs.set("quality", "usable")
made.attrs.set("parameters/flip", "42")
seen["attributes"] = {
    "gender": subject.attrs.get("gender"),
    "date": experiment.attrs.get("date"),
    "note": experiment.attrs.get("note"),
    "quality": made.attrs.get("quality"),
    "flip": made.attrs.get("parameters/flip"),
    "mget": made.attrs.mget(["xnat:mrScanData/quality", "xnat:mrScanData/type"]),
}

# searches
rows = central.select("xnat:subjectData", ["xnat:subjectData/SUBJECT_ID", "xnat:subjectData/PROJECT"])
seen["search"] = sorted(
    row["subject_id"] for row in rows.where([("xnat:subjectData/PROJECT", "=", "brainimages"), "AND"])
)
seen["path"] = sorted(central.select("/projects/brainimages/subjects/*/experiments/*").get())
seen["array"] = sorted(
    row["ID"] for row in central.array.experiments(project_id="brainimages", experiment_type="xnat:mrSessionData").data
)
seen["types"] = "xnat:mrSessionData" in central.inspect.datatypes()
seen["fields"] = "xnat:subjectData/SUBJECT_ID" in central.inspect.datatypes("xnat:subjectData")
seen["saved"] = central.manage.search.saved()

subject.delete()
seen["deleted"] = subject.exists()
print(json.dumps(seen))
