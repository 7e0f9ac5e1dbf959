#!/usr/bin/env python3
"""Checks what the compiler cannot: the floors of include/lotar, who may name a third party, and that every header has a test.

Usage: floors.py [ROOT]. Prints one line per fault and exits with 1 if there is any.
"""
import pathlib
import re
import sys

# An include may reach a lower floor or its own folder.
FLOOR = {"core": 0, "backend": 1, "io": 1, "data": 2, "augment": 2, "ops": 2, "nn": 3, "loss": 3, "optim": 3, "eval": 4, "train": 5}

# Third parties and operating-system headers, and the only place (a folder or a header) that may include them.
THIRD_PARTIES = [
    (r"tbb/|oneapi/|cuda|cublas|cudnn|cub/|thrust/|nccl\.h|mpi\.h|cxxabi\.h", "backend/"),
    (r"immintrin\.h|sys/mman\.h|sanitizer/", "backend/cpu/"),
    (r"zlib\.h|png\.h|jpeglib\.h|jerror\.h|nlohmann/|fcntl\.h|unistd\.h|sys/", "io/"),
    (r"xtensor/|xtl/", "data/host_array.hpp"),
]

# Headers without a test of their own. A header in a sub-folder (backend/cpu/) is tested with the header above it (backend/cpu.hpp).
UNTESTED = {
    "core/config.hpp": "a macro and the version, which the package tests compare",
    "core/named_arrays.hpp": "a name for a type; the tests of optimizers and of checkpoints go through it",
    "core/error.hpp": "types without behaviour; every refusal in the other tests names them",
    "core/backend.hpp": "concepts only; every backend's test asserts that it models them",
}

# The library prints nothing, defines one macro and knows its compiler in one place; cuda.hpp refuses others.
FORBIDDEN = [
    (r"std::(cout|cerr|clog)|\b(f|v|vf)?(printf|puts)\b", None, "prints"),
    (r"^\s*#\s*define\b", "core/config.hpp", "defines a macro"),
    (r"__CUDACC__|__CUDA_ARCH__", ("core/config.hpp", "backend/cuda.hpp"), "asks for the compiler"),
    (r"<<<|\bcuda[A-Z]\w+|\bcublas\w+|\bcudnn\w+|\bnccl[A-Z]\w+|\bMPI_\w+", "backend/", "names CUDA or MPI"),
]


def without_comments(text):
    """The text with comments blanked and every line kept."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    return re.sub(r"//.*", "", text)


def include_fault(header, included, quoted):
    """What is wrong with `header` including `included`, or None."""
    if quoted:
        return f'includes "{included}"; write <lotar/...>'
    if included.startswith("lotar/"):
        folder, target = header.split("/")[0], included.split("/")[1]
        if target not in FLOOR:
            return f"includes <{included}>, which lies on no floor"
        if target == "backend" and folder != "backend":
            return f"includes <{included}>: only users include a backend"
        if target != folder and FLOOR[target] >= FLOOR[folder]:
            return f"includes <{included}>, which is not below {folder}/"
        return None
    for pattern, place in THIRD_PARTIES:
        if re.match(pattern, included):
            return None if header.startswith(place) else f"includes <{included}>, which belongs in {place}"
    if not re.fullmatch(r"[a-z_0-9]+", included):
        return f"includes <{included}>, a third party that tests/floors.py does not know"
    return None


def header_faults(header, text):
    if header.split("/")[0] not in FLOOR:
        yield 1, "lies on no floor"
        return
    if not text.startswith("#pragma once\n"):
        yield 1, "does not begin with #pragma once"
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if include:
            fault = include_fault(header, include[2], include[1] == '"')
            if fault:
                yield number, fault
            continue
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        for pattern, place, fault in FORBIDDEN:
            if re.search(pattern, code) and not (place and header.startswith(place)):
                yield number, f"{fault}: {line.strip()}"


def faults(root):
    include = root / "include" / "lotar"
    headers = sorted(p.relative_to(include).as_posix() for p in include.rglob("*") if p.is_file())
    for header in headers:
        for number, fault in header_faults(header, (include / header).read_text()):
            yield f"include/lotar/{header}:{number}: {fault}"
        tests = [root / "tests" / header.replace(".hpp", ending) for ending in (".cpp", ".cu")]
        if header.count("/") == 1 and header not in UNTESTED and not any(t.exists() for t in tests):
            yield f"include/lotar/{header}:1: has no test tests/{header.replace('.hpp', '.cpp')}"
    for header in UNTESTED:
        if header not in headers:
            yield f"tests/floors.py: excuses {header}, which does not exist"


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = list(faults(root))
    print("\n".join(found) or "no faults")
    sys.exit(bool(found))
