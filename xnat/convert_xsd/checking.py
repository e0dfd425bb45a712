"""Holds a generated text against the rule of :mod:`.emit`: declarations, nothing else."""

from __future__ import annotations

import ast

from ..exceptions import XNATSchemaError
from ..naming import identifier
from .emit import IMPORTS

__all__ = ["CORE_NAMES", "check"]

#: Names the text may use from xnat.xnatcore.
CORE_NAMES = frozenset(
    {
        "Field",
        "ObjectField",
        "RestListing",
        "SimpleListing",
        "SubListing",
        "SubObjectField",
        "Variables",
        "XNATNestedObject",
        "XNATObject",
        "XNATSubObject",
    }
)


def check(source: str) -> None:
    """Raise unless a text is what :mod:`.emit` writes: classes, constants, and calls of known names with constants.

    For tests and for ``debug=True``; it costs about as much as compiling the whole text.

    :raises XNATSchemaError: naming the line
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise XNATSchemaError(f"The generated source is not Python: {error}") from error
    docstring, imports, *classes = tree.body if len(tree.body) >= 2 else [ast.Pass(), ast.Pass()]
    if not _is_docstring(docstring) or ast.unparse(imports) != IMPORTS:
        raise XNATSchemaError("The generated source doesn't begin with a docstring and its import")
    for node in classes:
        if not isinstance(node, ast.ClassDef) or not _is_plain_class(node):
            raise XNATSchemaError(
                f"The generated source holds more than declarations, line {getattr(node, 'lineno', '?')}"
            )
        for statement in node.body:
            if not (_is_docstring(statement) or _is_declaration(statement)):
                raise XNATSchemaError(f"The generated source holds more than declarations, line {statement.lineno}")


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_plain_class(node: ast.ClassDef) -> bool:
    identifier(node.name)
    return (
        not node.keywords
        and not node.decorator_list
        and not getattr(node, "type_params", None)
        and all(
            isinstance(base, ast.Name)
            or _is_member(base, "xnatbases")
            or (_is_member(base, "xnatcore") and _is_core(base))
            for base in node.bases
        )
    )


def _is_declaration(node: ast.AST) -> bool:
    if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
        return False
    name, value = node.targets[0].id, node.value
    if name == "__slots__":
        return isinstance(value, ast.Tuple) and not value.elts
    if name == "XSI_TYPE":
        return isinstance(value, ast.Constant)
    identifier(name)
    return (
        isinstance(value, ast.Call)
        and _is_member(value.func, "xnatcore")
        and _is_core(value.func)
        and all(_is_constant(argument) for argument in value.args)
        and all(keyword.arg is not None and _is_constant(keyword.value) for keyword in value.keywords)
    )


def _is_member(node: ast.AST, module: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module


def _is_core(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in CORE_NAMES


def _is_constant(node: ast.AST) -> bool:
    if isinstance(node, ast.Tuple):
        return all(isinstance(item, ast.Constant) for item in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
        return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
    return isinstance(node, ast.Constant)
