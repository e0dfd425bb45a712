#!/usr/bin/env python
"""Copy a project to another server, or to another project, and verify the copy.

    copy_project.py https://xnat.example.com brainimages https://other.example.com brains

Copied are subjects, sessions, scans, assessors and reconstructions, their fields and custom variables, and all files.
What exists in the copy already is left as it is, each value and each file, so a run that was interrupted is finished by
another one. Every file of the copy is compared with the original, by size and checksum; the exit status is 1 if
something differs.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import xnat

#: Fields that the server sets by itself, or that name an object where it lies.
OWN = {"ID", "id", "label", "project", "subject_ID", "session_ID", "imageSession_ID", "image_session_ID", "type", "URI"}


def copy_values(source, copy):
    """Copy the values that the copy lacks."""
    known = OWN | set(copy.data)
    values = {path: value for path, value in source.data.items() if path not in known and not path.startswith("xnat_")}
    if values:
        copy.mset(values)


def copy_fields(source, copy):
    """Copy the fields of an object, and its custom variables."""
    copy_values(source, copy)
    if getattr(source, "fields", None):
        copy.fields.update({name: value for name, value in source.fields.items() if name not in copy.fields})


def copy_resources(source, copy):
    """Copy the resources of an object with their files; the number of files."""
    count = 0
    for resource in source.resources.values():
        files = resource.files.values()
        count += len(files)
        if resource.label not in copy.resources:
            copy.create_resource(resource.label, format=resource.get("format"))
        there = copy.resources[resource.label]
        missing = [file for file in files if file.path not in there.files]
        with tempfile.TemporaryDirectory() as folder:
            pairs = [(Path(folder, str(number)), file.path) for number, file in enumerate(missing)]
            for file, (path, _) in zip(missing, pairs, strict=True):
                file.download(path, verbose=False)
            if pairs:
                there.upload_dir(pairs)
    return count


def make(listing, source, classes, **name):
    """The copy of an object in a listing: the one that is there, or a new one; with the fields of the source."""
    (key,) = name.values()
    # By its own key: in a list of scans, the ID of one may be the type of another.
    there = listing.data if "id_" in name else listing.key_map
    copy = there.get(key) or getattr(classes, type(source).__name__)(parent=listing, **name)
    if "id_" in name and source.type and not copy.type:
        copy.type = source.type
    copy_fields(source, copy)
    return copy


def copy_session(source, copy, classes):
    """Copy what lies in a session; the number of files."""
    count = copy_resources(source, copy)
    if hasattr(source, "scans"):
        for scan in source.scans.values():
            count += copy_resources(scan, make(copy.scans, scan, classes, id_=scan.id))
        for image in source.reconstructions.values():
            count += copy_resources(image, make(copy.reconstructions, image, classes, id_=image.id))
        for assessor in source.assessors.values():
            count += copy_resources(assessor, make(copy.assessors, assessor, classes, label=assessor.label))
    return count


def copy_project(source, copy, classes):
    """Copy what lies in a project; the number of files."""
    count = copy_resources(source, copy)
    for subject in source.subjects.values():
        print(f"{subject.label} ...")
        there = make(copy.subjects, subject, classes, label=subject.label)
        copy_values(subject.demographics, there.demographics)
        count += copy_resources(subject, there)
        for experiment in subject.experiments.values():
            twin = make(there.experiments, experiment, classes, label=experiment.label)
            count += copy_session(experiment, twin, classes)
    return count


def inventory(project):
    """Every file of a project: where it lies → (size, checksum)."""
    found = {}
    for subject in project.subjects.values():
        holders = [(subject.label, subject)]
        for experiment in subject.experiments.values():
            name = f"{subject.label}/{experiment.label}"
            holders.append((name, experiment))
            for scan in getattr(experiment, "scans", {}).values():
                holders.append((f"{name}/scans/{scan.id}", scan))
            for assessor in getattr(experiment, "assessors", {}).values():
                holders.append((f"{name}/assessors/{assessor.label}", assessor))
            for image in getattr(experiment, "reconstructions", {}).values():
                holders.append((f"{name}/reconstructions/{image.id}", image))
        for name, holder in holders:
            for file in holder.files.values():
                found[f"{name}/{file.collection}/{file.path}"] = (file.size, file.digest)
    for file in project.files.values():
        found[f"{file.collection}/{file.path}"] = (file.size, file.digest)
    return found


def main():
    parser = argparse.ArgumentParser(description="Copy a project to another server, and verify the copy.")
    parser.add_argument("source", help="address of the server to copy from")
    parser.add_argument("project", help="ID of the project to copy")
    parser.add_argument("target", help="address of the server to copy to")
    parser.add_argument("copy", help="ID of the project to make, or to complete")
    args = parser.parse_args()

    with xnat.connect(args.source) as session, xnat.connect(args.target) as other:
        project = session.projects[args.project]
        if args.copy not in other.projects:
            new = other.classes.ProjectData(parent=other, id_=args.copy, name=args.copy)
            if project.description:
                new.description = project.description
        copy = other.projects[args.copy]
        count = copy_project(project, copy, other.classes)
        other.clearcache()
        wanted, there = inventory(project), inventory(copy)
    differing = sorted(name for name in wanted if there.get(name) != wanted[name])
    for name in differing:
        print(f"differs: {name}", file=sys.stderr)
    print(f"{count} files copied, {len(wanted) - len(differing)} of {len(wanted)} verified")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
