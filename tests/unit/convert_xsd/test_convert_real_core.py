"""Generated classes with the real base classes and behaviour."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests.factories import real_schemas
from xnat.convert_xsd import convert, emit, load, stubs

from .conftest import real

xnatbases = pytest.importorskip("xnat.xnatbases", reason="the behaviour classes can't be imported yet")
xnatcore = pytest.importorskip("xnat.xnatcore", reason="the core can't be imported yet")

KINDS = (xnatcore.XNATObject, xnatcore.XNATNestedObject, xnatcore.XNATSubObject)
OPTIONS = {
    "provided": xnatbases.provided_names(),
    "bases": {xsi_type: mixin.__name__ for xsi_type, mixin in xnatbases.BASES.items()},
    "reserved": frozenset(name for kind in KINDS for name in dir(kind) if not name.startswith("_")),
}

SETS = [real("xnat-1.6"), real("xnat-1.8"), real("xnat-1.8", "plugins")]


@pytest.fixture
def make_module():
    made = []

    def make(*sets):
        model = convert(real_schemas(*sets))
        made.append(load.load(emit.emit(model, **OPTIONS), model, debug=True))
        return made[-1]

    yield make
    for module in made:
        module.close()


@pytest.mark.parametrize("sets", SETS)
def test_every_class_can_be_made(make_module, sets):
    module = make_module(*sets)
    for xsi_type, cls in module.XNAT_CLASS_LOOKUP.items():
        assert xsi_type == cls.XSI_TYPE


@pytest.mark.parametrize("sets", SETS)
def test_nothing_generated_hides_what_is_written_by_hand(make_module, sets):
    module = make_module(*sets)
    for cls in module.XNAT_CLASS_LOOKUP.values():
        by_hand = [base for base in cls.__mro__ if base.__module__ != module.__name__]
        names = {name for base in by_hand for name in dir(base)} - {"XSI_TYPE", "_XSI_TYPE"}
        generated = {name for base in cls.__mro__ if base.__module__ == module.__name__ for name in vars(base)}
        assert {name for name in generated & names if not name.startswith("__")} == set()


@pytest.mark.parametrize("sets", SETS)
def test_objects_have_no_dict(make_module, sets):
    module = make_module(*sets)
    assert not hasattr(object.__new__(module.MrSessionData), "__dict__")


@pytest.mark.parametrize("sets", SETS[1:2])
def test_many_connections_leave_nothing(sets):
    model = convert(real_schemas(*sets))

    def cycles(number):
        for _ in range(number):
            module = load.load(emit.emit(model, **OPTIONS), model)
            assert module.SubjectData
            module.close()

    import gc

    cycles(20)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        cycles(200)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("sets", SETS[2:])
def test_stubs_pass_a_strict_type_checker(make_module, sets, tmp_path):
    pytest.importorskip("mypy")
    path = stubs.write(make_module(*sets), tmp_path)
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-incremental", str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={"MYPYPATH": str(root)}, check=False
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("xnat_classes.pyi")] == []
    assert "xnat_classes.pyi" not in done.stderr
