"""Names that scripts for other clients import from ``xnat.utils``; each lives elsewhere."""

from __future__ import annotations

from .naming import pythonize_attribute_name, pythonize_class_name

__all__ = ["pythonize_attribute_name", "pythonize_class_name"]
