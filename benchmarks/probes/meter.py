"""Measures one call, in whatever environment it runs: time, CPU and memory. Standard library only."""

import gc
import json
import os
import resource
import sys
import time


def memory():
    """Resident memory now, in bytes."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return peak()


def peak():
    """The most memory that was resident, in bytes."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _forget_peak():
    try:
        with open("/proc/self/clear_refs", "w") as clear:
            clear.write("5")
    except OSError:
        pass


def _agree(word):
    """Say where we are to the benchmark, and wait until it has noted it."""
    print("\n" + word, flush=True)
    sys.stdin.readline()


def measure(function):
    """Call ``function``; what it took, and what it returned as ``value``."""
    _agree("ready")
    gc.collect()
    before = memory()
    _forget_peak()
    cpu, start = time.process_time(), time.perf_counter()
    kept = function()
    took = {"time": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    top = peak()
    _agree("done")
    gc.collect()
    after = memory()
    value = kept[0] if isinstance(kept, tuple) else kept
    return {**took, "before": before, "after": after, "peak": max(top, after), "value": value}


def tell(result):
    """Give the result to the benchmark."""
    print("\n" + json.dumps(result), flush=True)


def main(works):
    """Run the work that the command line names, with its arguments."""
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    tell(works[name](**arguments))
