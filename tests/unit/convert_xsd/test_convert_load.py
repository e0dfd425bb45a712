"""Emitted source as a module: lazy, a real file, and gone afterwards."""

from __future__ import annotations

import gc
import inspect
import linecache
import os
import stat
import subprocess
import sys
import threading
import traceback
import weakref
from pathlib import Path

import pytest

from tests.factories import make_class, make_field, make_model
from xnat.convert_xsd import Model, emit
from xnat.convert_xsd.load import load
from xnat.exceptions import XNATNotConnectedError, XNATSchemaError

pytestmark = pytest.mark.usefixtures("fake_core")


def sample():
    return make_model(
        make_class("xnat:imageSessionData", make_field("note", "xs:string", name="note"), name="ImageSessionData"),
        make_class("xnat:mrSessionData", name="MrSessionData", base="xnat:imageSessionData", doc="MR"),
        make_class("xnat:other", name="Other"),
        digest="0123456789abcdef",
    )


@pytest.fixture
def module():
    model = sample()
    made = load(emit.emit(model, title="Test"), model)
    yield made
    made.close()


class Session:
    pass


def test_classes_are_made_when_they_are_touched(module):
    assert "MrSessionData" not in vars(module)
    assert module.MrSessionData.XSI_TYPE == "xnat:mrSessionData"
    assert issubclass(module.MrSessionData, vars(module)["ImageSessionData"])
    assert "Other" not in vars(module)


def test_a_class_is_made_once_even_by_many_threads(module):
    start, found = threading.Barrier(8), []

    def take():
        start.wait()
        found.append(module.MrSessionData)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_lookup_by_xsi_type(module):
    lookup = module.XNAT_CLASS_LOOKUP
    assert lookup["xnat:mrSessionData"] is module.MrSessionData
    assert len(lookup) == 3
    assert set(lookup) == set(module.xsi_types)
    assert "xnat:other" in lookup
    assert "xnat:gone" not in lookup
    assert lookup.get("xnat:gone") is None


def test_an_unknown_xsi_type(module):
    with pytest.raises(KeyError, match="Type xnat:mrSesionData unknow to this XNATSession REST client") as caught:
        module.XNAT_CLASS_LOOKUP["xnat:mrSesionData"]
    assert "xnat:mrSessionData" in str(caught.value)


def test_class_names_in_another_spelling(module):
    assert module.MRSessionData is module.MrSessionData
    assert "MRSessionData" not in dir(module)
    assert {"MrSessionData", "ImageSessionData", "Other"} <= set(dir(module))


def test_an_unknown_class_suggests(module):
    with pytest.raises(AttributeError, match="did you mean MrSessionData"):
        _ = module.MrSesionData
    assert not hasattr(module, "__wrapped__")


def test_source_file_is_private_and_readable(module):
    path = Path(module.path)
    assert path.read_text() == module.source
    assert path.name.startswith("xnat_classes_0123456789ab_")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_getsource(module):
    assert inspect.getsource(module.MrSessionData).startswith("class MrSessionData(ImageSessionData):\n    'MR'")
    assert inspect.getsource(module) == module.source


def test_getsource_without_a_writable_directory(tmp_path):
    model = sample()
    made = load(emit.emit(model), model, directory=str(tmp_path / "missing"))
    assert made.path is None
    assert inspect.getsource(made.MrSessionData).startswith("class MrSessionData(ImageSessionData):")
    assert made.__file__ in linecache.cache
    made.close()
    assert made.__file__ not in linecache.cache


def test_the_module_is_registered_while_open(module):
    assert sys.modules[module.MrSessionData.__module__] is module
    module.close()
    assert module.__name__ not in sys.modules
    assert not os.path.exists(os.path.dirname(module.path))
    module.close()


def test_two_modules_share_nothing(module):
    other = load(emit.emit(module.model), module.model)
    assert other.MrSessionData is not module.MrSessionData
    assert other.path != module.path
    other.close()


def test_the_session(module):
    session = Session()
    with pytest.raises(XNATNotConnectedError):
        module.current_session()
    module.bind(session)
    assert module.SESSION is session
    assert module.current_session() is session


def test_a_session_that_is_dropped_takes_the_module_along(module):
    session = Session()
    module.bind(session)
    del session
    gc.collect()
    assert module.__name__ not in sys.modules
    assert not os.path.exists(module.path)
    with pytest.raises(XNATNotConnectedError):
        _ = module.SESSION


def test_objects_outlive_the_module(module):
    thing = module.MrSessionData()
    module.close()
    assert thing.XSI_TYPE == "xnat:mrSessionData"


def test_nothing_is_left_after_many_sessions():
    model = sample()
    before, lines = set(sys.modules), len(linecache.cache)
    last = None
    for _ in range(300):
        session, made = Session(), load(emit.emit(model), model)
        made.bind(session)
        _ = made.MrSessionData
        made.close()
        last = weakref.ref(made)
        del made, session
    gc.collect()
    assert last() is None
    assert {name for name in sys.modules if name.startswith("xnat_classes")} <= before
    assert len(linecache.cache) <= lines
    assert len(model.emitted) == 1


def test_files_are_gone_when_the_process_ends(tmp_path):
    code = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import factories, xnat
for name, module in factories.fake_core().items():
    sys.modules["xnat." + name] = module
    setattr(xnat, name, module)
from xnat.convert_xsd import emit
from xnat.convert_xsd.load import load
model = factories.make_model(factories.make_class("a:a", name="A"))
made = load(emit.emit(model), model, directory={tmp!r})
made.A
print(made.path)
"""
    tests = Path(__file__).resolve().parents[2]
    code = code.format(tests=str(tests), root=str(tests.parent), tmp=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(".py")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_the_file_alone(module):
    child = os.fork()
    if child == 0:
        module.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert os.path.exists(module.path)


def test_debug_checks_the_source():
    model = sample()
    evil = emit.emit(model)._replace(body="\nprint('x')\n")
    with pytest.raises(XNATSchemaError):
        load(evil, model, debug=True)


# --- stored models: nothing is made before it is needed ---


@pytest.fixture
def written(monkeypatch):
    """The XSI types whose text was made, in order."""
    found, lines = [], emit._lines

    def noted(model, owner, options):
        found.append(owner.key)
        return lines(model, owner, options)

    monkeypatch.setattr(emit, "_lines", noted)
    return found


def from_snapshot(model=None):
    return Model.from_json((model or sample()).to_json(), lazy=True)


def test_a_stored_model_becomes_text_class_by_class(written):
    model = from_snapshot()
    made = load(emit.emit(model), model)
    assert made.xsi_types == ["xnat:imageSessionData", "xnat:mrSessionData", "xnat:other"]
    assert written == []
    _ = made.MrSessionData
    assert sorted(written) == ["xnat:imageSessionData", "xnat:mrSessionData"]
    assert Path(made.path).read_text() == made.source
    assert sorted(written) == ["xnat:imageSessionData", "xnat:mrSessionData", "xnat:other"]
    made.close()


def test_another_session_makes_no_text_again(written):
    model = from_snapshot()
    for _ in range(2):
        made = load(emit.emit(model), model)
        _ = made.Other
        made.close()
    assert written == ["xnat:other"]


def test_what_a_server_said_is_text_at_once(written):
    emit.emit(sample())
    assert len(written) == 3


def test_fields_are_made_for_the_classes_that_are_touched():
    model = from_snapshot()
    made = load(emit.emit(model), model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xnat.convert_xsd.model.FieldDef", None)  # calling it would raise
        _ = made.Other
    assert made.MrSessionData.note.arguments == ("note", "xs:string")
    made.close()


def test_the_file_is_written_when_its_path_is_asked_for(tmp_path):
    model = sample()
    made = load(emit.emit(model), model, directory=str(tmp_path))
    (folder,) = tmp_path.iterdir()
    _ = made.MrSessionData, repr(made)
    assert list(folder.iterdir()) == []
    assert inspect.getsourcefile(made.MrSessionData) == made.path
    assert [str(path) for path in folder.iterdir()] == [made.path]
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_module_writes_nothing(tmp_path):
    model = sample()
    made = load(emit.emit(model), model, directory=str(tmp_path))
    made.close()
    assert list(tmp_path.iterdir()) == []
    assert not os.path.exists(made.path)
    assert made.__file__ not in linecache.cache


def test_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    def full(path, *arguments, **options):
        Path(path).write_text("'half a doc")
        raise OSError("No space left on device")

    monkeypatch.setattr("xnat.convert_xsd.load.open", full, raising=False)
    model = sample()
    made = load(emit.emit(model), model, directory=str(tmp_path))
    assert made.path is None
    assert list(tmp_path.iterdir()) == []
    assert inspect.getsource(made.MrSessionData).startswith("class MrSessionData(ImageSessionData):")
    made.close()
    assert made.__file__ not in linecache.cache


def test_tracebacks_show_the_line_without_a_file(monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["xnat.xnatcore"], "Field", broken)
    model = from_snapshot()
    made = load(emit.emit(model), model)
    with pytest.raises(ZeroDivisionError) as caught:
        _ = made.MrSessionData
    told = "".join(traceback.format_exception(caught.value))
    line = made.source.splitlines().index("    note = xnatcore.Field('note', 'xs:string')") + 1
    assert f"line {line}, in ImageSessionData\n    note = xnatcore.Field('note', 'xs:string')\n" in told
    file = made._file
    made.close()
    assert file not in linecache.cache


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_a_written_file_alone(module):
    assert os.path.exists(module.path)
    child = os.fork()
    if child == 0:
        module.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert os.path.exists(module.path)


@pytest.mark.parametrize("name", ["x = print('x')", "A(object): pass\nprint('x')\nclass B", "__init__", "import"])
def test_a_name_in_a_snapshot_passes_the_gate_before_it_is_code(name, capsys):
    model = from_snapshot(make_model(make_class("a:a", make_field("x", "xs:string", name=name), name="A")))
    made = load(emit.emit(model), model)
    with pytest.raises(XNATSchemaError):
        _ = made.A
    assert made.path is None
    made.close()
    model = from_snapshot(make_model(make_class("a:a", name=name), make_class("a:b", name="B", base="a:a")))
    made = load(emit.emit(model), model)
    with pytest.raises(XNATSchemaError):
        _ = made.B
    made.close()
    assert capsys.readouterr().out == ""
