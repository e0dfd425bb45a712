"""Imports point down, nothing goes in circles, and the sandbox stands on its own; read from the real imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "xnat"

#: Layer by module, lowest first; docs/architecture.rst draws the same table. A package counts as one module.
LAYERS: dict[str, int] = {
    "version": 0, "constants": 0, "exceptions": 0, "_compat": 0, "naming": 0, "datatypes": 0, "uris": 0, "xpath": 0,
    "hints": 0, "protocols": 0, "notebook": 0,
    "transport": 1, "convert_xsd": 1, "searchterms": 1, "columns": 1, "search": 1, "versions": 1,
    "pickling": 1, "utils": 1,
    "transfer": 2, "mapping": 2, "core": 2,
    "xnatbases": 3, "xnatcore": 3, "prearchive": 3, "services": 3, "_answers": 3, "_effects": 3,
    "users": 3, "inspect": 3, "plugins": 3, "map": 3, "mixin": 4,
    "customforms": 3, "remotefile": 2, "dicom": 3,
    "session": 4,
    "connection": 5, "offline": 5, "filesystem": 5,
    "cli": 6, "__main__": 6,
    "sandbox": 0,  # stands beside: it imports nothing, and only `xnat sandbox` starts one
}  # fmt: skip


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in path.relative_to(PACKAGE).parts]


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it, as dotted names below the package."""
    own = dotted(path)
    package = own.split(".") if path.name == "__init__.py" and own else own.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                kept = package[: len(package) - node.level + 1]
                names = [*kept, *base]
            elif base[:1] == ["xnat"]:
                names = base[1:]
            else:
                continue
            found |= {".".join([*names, alias.name]) for alias in node.names} if names == [] else {".".join(names)}
            found |= {".".join([*names, alias.name]) for alias in node.names if is_module([*names, alias.name])}
        elif isinstance(node, ast.Import):
            found |= {alias.name[5:] for alias in node.names if alias.name.startswith("xnat.")}
    return {name for name in found if name}


def is_module(parts: list[str]) -> bool:
    return (PACKAGE.joinpath(*parts).with_suffix(".py")).exists() or (PACKAGE.joinpath(*parts) / "__init__.py").exists()


def top(name: str) -> str:
    return name.split(".")[0]


def test_every_module_has_a_layer() -> None:
    found = {top(dotted(path)) for path in modules()} - {""}
    assert found - set(LAYERS) == set()


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_point_down(path: Path) -> None:
    own = top(dotted(path))
    if not own:
        return  # the package itself names what it offers, lazily
    up = {name for name in imports(path) if is_module([top(name)]) and LAYERS[top(name)] > LAYERS[own]}
    # A session makes its parts (services, users, ...) on demand; objects reach them through the session only.
    assert up == set(), f"{own} (layer {LAYERS[own]}) imports from above: {sorted(up)}"


def test_no_cycles() -> None:
    graph = {dotted(path): imports(path) for path in modules()}
    graph = {name: {other for other in others if other in graph and other != name} for name, others in graph.items()}
    # A package's __init__ gathers its modules; modules of the package import each other, never it.
    seen: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if seen.get(name) == 2:
            return
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        for other in sorted(graph[name]):
            visit(other, (*trail, name))
        seen[name] = 2

    for name in sorted(graph):
        if name:
            visit(name, ())


def test_sandbox_knows_nothing_of_the_client() -> None:
    for path in sorted((PACKAGE / "sandbox").rglob("*.py")):
        own = {name for name in imports(path) if top(name) != "sandbox"}
        assert own == set(), f"{path.name} imports {sorted(own)}"


def test_client_knows_nothing_of_the_sandbox() -> None:
    for path in modules():
        if top(dotted(path)) == "cli":
            continue  # `xnat sandbox` starts one
        assert not {name for name in imports(path) if top(name) == "sandbox"}, path.name


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 520
