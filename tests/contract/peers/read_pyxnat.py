"""What pyxnat reads of our client's writes: run in its own environment with server, user, password and a folder."""

import json
import sys
from pathlib import Path

import pyxnat

url, user, password, folder = sys.argv[1:5]
central = pyxnat.Interface(server=url, user=user, password=password)
seen = {}

VARIABLE = "fields/field[name=%s]/field"
FIELDS = {
    "project": ["name", "description", "PI/firstname", "PI/lastname", VARIABLE % "Brain Volume"],
    "subject": [
        "label", "group", "src", "demographics/gender", "demographics/yob", "demographics/handedness",
        "demographics/dob", "demographics/ethnicity", VARIABLE % "iq", VARIABLE % "gone",
    ],
    "experiment": [
        "label", "date", "time", "note", "scanner/model", "fieldStrength", "operator", "acquisition_site",
        VARIABLE % "dose",
    ],
    "scan": [
        "type", "quality", "note", "frames", "parameters/tr", "parameters/te", "parameters/voxelRes/x",
        "parameters/voxelRes/y", "parameters/voxelRes/units", "parameters/addParam[name=kernel]/addField",
    ],
    "reconstruction": ["type", "baseScanType"],
    "assessor": ["label", "date", "note", "xnat:qcManualAssessorData/rater", VARIABLE % "checked"],
}  # fmt: skip


def fields(thing, kind):
    """The value of each field: in the tables of attrs, as pyxnat has no other way to read them."""
    return {path: thing.attrs.get(path) for path in FIELDS[kind]}


def files(resource):
    """What is told of each file of a resource."""
    # Iterating gives their paths, get() the last parts of these.
    return {file.id(): [int(file.size()), file.format(), file.content(), file.labels()] for file in resource.files()}


def below(resource):
    """The bytes of all files of a resource, from one zip."""
    target = Path(folder, "zips", resource.label())
    target.mkdir(parents=True)
    found = {}
    for path in map(Path, resource.get(str(target), extract=True)):
        # The first folder is the resource, by label or number.
        found["/".join(path.relative_to(target).parts[1:])] = path.read_bytes().hex()
    return found


def single(resource, name):
    """The bytes of one file."""
    return Path(resource.file(name).get(str(Path(folder, "one file")))).read_bytes().hex()


# fields, of objects written field by field and as a form
for style in ("url", "form"):
    project = central.select.project(style)
    subject = project.subject("renamed_subject")
    experiment = subject.experiment("renamed_session")
    seen[style] = {
        "project": fields(project, "project"),
        "subject": fields(subject, "subject"),
        "experiment": fields(experiment, "experiment"),
        "scan": fields(experiment.scan("1"), "scan"),
        "reconstruction": fields(experiment.reconstruction("R"), "reconstruction"),
        "assessor": fields(experiment.assessor("renamed_QC"), "assessor"),
        "investigators": project.xpath("//xnat:investigators/xnat:investigator/*/text()"),
        "aliases": project.xpath("//xnat:alias/text()"),
        "elements": subject.xpath("/xnat:Subject/xnat:fields/xnat:field/@name"),
        "old names": [
            project.subject("S1").exists(), subject.experiment("E1").exists(), experiment.assessor("QC1").exists(),
        ],
    }  # fmt: skip

# what there is
project = central.select.project("url")
subject = project.subject("renamed_subject")
experiment = subject.experiment("renamed_session")
seen["types"] = {each.label(): each.datatype() for each in subject.experiments()}
seen["ids"] = [project.id(), subject.id(), experiment.id()]
seen["scans"] = {each.id(): [each.datatype(), each.attrs.get("type")] for each in experiment.scans()}
seen["reconstructions"] = {each.id(): each.datatype() for each in experiment.reconstructions()}
seen["assessors"] = {each.label(): [each.id(), each.datatype()] for each in experiment.assessors()}

# sharing
other = central.select.project("other")
seen["shares"] = [list(subject.shares().get()), list(experiment.shares().get())]
seen["unshared"] = list(subject.experiment("ct").shares().get())
seen["shared subjects"] = {each.id(): each.label() for each in other.subjects()}
seen["shared"] = {each.id(): each.label() for each in other.subject("elsewhere").experiments()}
try:
    seen["experiments of the project"] = [each.id() for each in other.experiments()]
except KeyError as error:
    seen["experiments of the project"] = [repr(error)]

# resources and files
levels = {
    "project": project, "subject": subject, "experiment": experiment, "scan": experiment.scan("1"),
    "assessor": experiment.assessor("renamed_QC"), "reconstruction": experiment.reconstruction("R"),
}  # fmt: skip
seen["resources"], seen["files"], seen["bytes"] = {}, {}, {}
for level, owner in levels.items():
    # pyxnat knows the files of a reconstruction as what came out of it.
    out = level == "reconstruction"
    resources, resource = (owner.out_resources(), owner.out_resource) if out else (owner.resources(), owner.resource)
    resource = resource(level)
    seen["resources"][level] = [sorted(each.label() for each in resources), resource.attributes()]
    seen["files"][level] = files(resource)
    seen["bytes"][level] = [below(resource), single(resource, "sub folder/ü ß.txt")]
seen["trees"] = {each.label(): below(each) for each in subject.experiment("ct").resources()}

seen["formats"] = {each.label(): each.attributes()["format"] for each in subject.experiment("ct").resources()}

# imported
imported = project.subject("imported").experiment("scanned")
(scan,) = imported.scans()
seen["imported"] = [imported.datatype(), scan.id(), scan.datatype()]
(resource,) = scan.resources()
(file,) = resource.files()
seen["dicom"] = [resource.label(), file.attributes()["digest"]]
prearchive = central.manage.prearchive
seen["prearchive"] = [[*place[:1], *place[2:], prearchive.status(place)] for place in prearchive.get()]
seen["prearchive scans"] = [list(prearchive.get_scans(place)) for place in prearchive.get()]

# access
seen["users"] = sorted(project.users())
seen["roles"] = [sorted(project.owners()), sorted(project.members()), sorted(project.collaborators())]

# what was deleted
doomed = project.subject("survivor")
seen["gone"] = {
    "project": central.select.project("gone").exists(),
    "subject": project.subject("gone").exists(),
    "experiment": doomed.experiment("gone").exists(),
    "scan": doomed.experiment("survivor").scan("2").exists(),
    "assessor": doomed.experiment("survivor").assessor("QC").exists(),
    "reconstruction": doomed.experiment("survivor").reconstruction("R").exists(),
    "resource": doomed.experiment("survivor").resource("gone").exists(),
    "file": doomed.experiment("survivor").resource("kept").file("gone.txt").exists(),
}
seen["kept"] = [
    doomed.exists(),
    doomed.experiment("survivor").scan("1").exists(),
    files(doomed.experiment("survivor").resource("kept")),
]
print(json.dumps(seen))
