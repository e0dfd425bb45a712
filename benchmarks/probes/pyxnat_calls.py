"""What pyxnat does, in its own environment."""

import os
import re

from meter import main, measure


def _central(url, user, password):
    import pyxnat

    return pyxnat.Interface(server=url, user=user, password=password)


def subjects(url, user, password, project):
    """Read the label of every subject: as a listing of labels, objects would cost a request each."""
    central = _central(url, user, password)

    def work():
        labels = central.select.project(project).subjects().get("label")
        return sum(len(label) for label in labels), labels

    return measure(work)


def scans_table(url, user, password, project):
    """Four attributes of every scan of a project, in one joined request."""
    central = _central(url, user, password)
    columns = [f"xnat:imageScanData/{name}" for name in ("ID", "type", "quality", "series_description", "note")]

    def work():
        table = central.array.scans(project_id=project, columns=columns)
        return len(table.data)

    return measure(work)


def upload_each(url, user, password, project, place, source):
    """A folder, one file after the other."""
    central = _central(url, user, password)
    number = int(re.sub(r"\D", "", place["session"]))
    subject = central.select.project(project).subject(f"subject_{number:04d}")
    kept = subject.experiment(place["session"]).scan(place["scan"]).resource(place["label"])

    def work():
        for name in sorted(os.listdir(source)):
            kept.file(name).put(os.path.join(source, name), format="RAW", content="RAW", tags="")

    return measure(work)


if __name__ == "__main__":
    main({function.__name__: function for function in (subjects, scans_table, upload_each)})
