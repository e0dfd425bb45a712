"""What xnatpy sees and does: run in its own environment with the server's URL, user, password and a folder."""

import io
import json
import sys
from pathlib import Path

import xnat

url, user, password, folder = sys.argv[1:5]
seen = {"version": xnat.__version__}
with xnat.connect(url, user=user, password=password, loglevel="ERROR") as session:
    seen["server"] = [session.xnat_version, session.logged_in_user]
    seen["projects"] = sorted(item.id for item in session.projects.values())
    project = session.projects["brainimages"]
    seen["name"] = project.name
    seen["subjects"] = {subject.id: subject.label for subject in project.subjects.values()}
    seen["experiments"] = {
        item.id: [item.subject.id, item.label, item.__xsi_type__] for item in project.experiments.values()
    }
    seen["scans"] = {
        item.id: {scan.id: [scan.__xsi_type__, scan.type] for scan in item.scans.values()}
        for item in project.experiments.values()
    }
    session_data = project.subjects["ANONYMIZ"].experiments["ANONYMIZ"]
    scan = session_data.scans["700"]
    seen["files"] = {file.id: int(file.size) for file in scan.resources["DICOM"].files.values()}
    scan.resources["DICOM"].files["4467"].download(str(Path(folder, "one.dcm")), verbose=False)
    seen["download"] = Path(folder, "one.dcm").read_bytes().hex()
    session_data.download_dir(str(Path(folder, "dir")), verbose=False)
    seen["tree"] = {
        path.relative_to(Path(folder, "dir")).as_posix(): path.stat().st_size
        for path in sorted(Path(folder, "dir").rglob("*"))
        if path.is_file()
    }
    seen["gender"] = project.subjects["ANONYMIZ"].demographics.gender
    seen["assessors"] = {item.label: item.__xsi_type__ for item in session_data.assessors.values()}
    seen["fields"] = dict(session_data.fields)
    seen["tabulate"] = [list(row) for row in project.experiments.tabulate(columns=["ID", "label", "xsiType"])]
    seen["filtered"] = [item.label for item in project.experiments.filter(label="Peter_*").values()]
    seen["dump"] = sorted([row["tag1"], row["value"]] for row in scan.dicom_dump(fields=["PatientID", "StudyDate"]))

    # writing
    subject = session.classes.SubjectData(parent=project, label="xpy_subject")
    experiment = session.classes.MrSessionData(parent=subject, label="xpy_session")
    made = session.classes.MrScanData(parent=experiment, id="7", type="T1")
    resource = made.create_resource("NIFTI")
    content = bytes(range(256)) * 64
    Path(folder, "source.bin").write_bytes(content)
    resource.upload(str(Path(folder, "source.bin")), "deep/file.bin")
    out = io.BytesIO()
    next(iter(resource.files.values())).download_stream(out)
    seen["read back"] = out.getvalue() == content
    experiment.note = "a note: é"
    subject.demographics.gender = "female"
    experiment.fields["brain_volume"] = "42.5"
    subject.clearcache()
    experiment.clearcache()
    again = session.projects["brainimages"].subjects["xpy_subject"].experiments["xpy_session"]
    seen["written"] = {
        "note": again.note,
        "gender": subject.demographics.gender,
        "field": again.fields["brain_volume"],
        "ids": [subject.id, experiment.id, made.id],
    }
    imported = session.services.import_(
        sys.argv[5], project="sandbox", subject="xpy_import", experiment="xpy_import_MR", overwrite="none"
    )
    seen["imported"] = [imported.label, imported.__xsi_type__, len(imported.scans)]
    session.services.import_(sys.argv[5], project="sandbox", destination="/prearchive")
    waiting = session.prearchive.sessions(project="sandbox")
    seen["prearchive"] = [[item.project, item.status] for item in waiting]
    seen["archived"] = waiting[0].archive(subject="xpy_import", experiment="xpy_archived_MR").label
    session.delete(subject.fulluri, query={"removeFiles": "true"})
    project.subjects.clearcache()
    seen["deleted"] = "xpy_subject" in project.subjects
print(json.dumps(seen))
