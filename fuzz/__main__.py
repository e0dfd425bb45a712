"""``python -m fuzz schema -max_total_time=60``: one target; further arguments are libFuzzer's."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["xnat", "zipfile"]):
    from fuzz.targets import TARGETS, seeds

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Fuzz the target of the first argument."""
    name = sys.argv[1]
    corpus, findings = HERE / "corpus" / name, HERE / "findings" / name
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = ["-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={findings}/"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[2:], str(corpus), str(findings)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
