"""The package's metadata. Tool settings are in ``pyproject.toml``."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "xnat" / "version.py").read_text()).group(1)

# Each extra is imported only where it is used; docs/architecture.rst gives the reason for each.
EXTRAS = {
    "sandbox": ["werkzeug>=3.0", "pydicom>=3.0.1"],
    "pandas": ["pandas>=2.0"],
    "dicom": ["pydicom>=3.0.1"],
    "fast": ["zlib-ng>=1.0"],
    "fsspec": ["fsspec>=2024.12"],
    "dask": ["dask>=2024.2", "distributed>=2024.2"],
    "keyring": ["keyring>=24"],
    "docs": ["sphinx>=7", "furo"],
    "fuzz": ["atheris>=2.3; platform_system == 'Linux'"],
}
EXTRAS["dev"] = sorted(
    {requirement for name in ("sandbox", "fast", "pandas", "docs", "fsspec", "dask") for requirement in EXTRAS[name]}
    | {
        "hypothesis",
        "ipykernel",
        "mypy>=1.10",
        "nbclient",
        "nbconvert",
        "pandas-stubs",
        "pexpect",
        "pytest>=8",
        "pytest-cov",
        "pytest-timeout",
        "pytest-xdist",
        "rich",
        "ruff>=0.6",
        "types-requests",
        "types-six",
        "lxml-stubs",
    }
)

setup(
    name="xnat",
    version=VERSION,
    description="Client for XNAT archive servers that exposes their data model as Python objects",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    author="The xnat developers",
    python_requires=">=3.10",
    packages=find_packages(include=["xnat", "xnat.*"]),
    package_data={"xnat": ["py.typed"], "xnat.sandbox": ["schemas/*.tsv", "schemas/*.xsd", "schemas/*/*.xsd"]},
    install_requires=["requests>=2.31", "lxml>=4.9.3", "progressbar2>=4.2", "six>=1.16"],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["xnat = xnat.cli:main"],
        "pytest11": ["xnat_sandbox = xnat.sandbox.pytest_plugin"],
        "fsspec.specs": [
            f"{protocol} = xnat.filesystem:XNATFileSystem" for protocol in ("xnat", "xnat+http", "xnat+https")
        ],
    },
    zip_safe=False,
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Typing :: Typed",
    ],
)
