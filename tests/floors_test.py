#!/usr/bin/env python3
"""Tests that floors.py finds each kind of fault, and only that."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import floors


def found(header, body):
    return [fault for _, fault in floors.header_faults(header, "#pragma once\n" + body + "\n")]


class Floors(unittest.TestCase):
    def test_allowed(self):
        for header, body in [
            ("loss/nt_xent.hpp", "#include <vector>\n#include <lotar/core/view.hpp>\n#include <lotar/ops/reduce.hpp>"),
            ("nn/resnet.hpp", "#include <lotar/nn/conv.hpp>"),
            ("backend/cpu.hpp", "#include <tbb/task_arena.h>\n#include <lotar/backend/cpu/gemm.hpp>"),
            ("data/host_array.hpp", "#include <xtensor/xtensor.hpp>"),
            ("io/png.hpp", '#include <png.h>  // not printf\n/* std::cout\n */ int n = std::snprintf(p, 1, "puts");'),
        ]:
            self.assertEqual(found(header, body), [], header)

    def test_refused(self):
        for header, body, fault in [
            ("core/view.hpp", "#include <lotar/ops/reduce.hpp>", "not below core/"),
            ("data/cifar.hpp", "#include <lotar/augment/views.hpp>", "not below data/"),
            ("loss/nt_xent.hpp", "#include <lotar/backend/cpu.hpp>", "only users include a backend"),
            ("loss/nt_xent.hpp", '#include "row.hpp"', "write <lotar/...>"),
            ("loss/nt_xent.hpp", "#include <lotar/util/x.hpp>", "on no floor"),
            ("util/x.hpp", "", "on no floor"),
            ("ops/reduce.hpp", "#include <tbb/task_arena.h>", "belongs in backend/"),
            ("ops/reduce.hpp", "#include <cuda_runtime.h>", "belongs in backend/"),
            ("data/cifar.hpp", "#include <zlib.h>", "belongs in io/"),
            ("data/cifar.hpp", "#include <xtensor/xarray.hpp>", "belongs in data/host_array.hpp"),
            ("core/view.hpp", "#include <boost/any.hpp>", "does not know"),
            ("train/pretrain.hpp", "std::printf(s);", "prints"),
            ("train/pretrain.hpp", "std::cerr << s;", "prints"),
            ("nn/conv.hpp", "#define TILE 4", "defines a macro"),
            ("nn/conv.hpp", "#if defined(__CUDACC__)", "asks for the compiler"),
            ("nn/conv.hpp", "cudaMalloc(&p, n);", "names CUDA"),
        ]:
            got = found(header, body)
            self.assertEqual(len(got), 1, (header, body, got))
            self.assertIn(fault, got[0])

    def test_pragma_once(self):
        self.assertEqual([f for _, f in floors.header_faults("nn/conv.hpp", "// x\n")], ["does not begin with #pragma once"])

    def test_every_header_has_a_test(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)

            def add(path):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text("#pragma once\n")

            def check(wanted):
                self.assertEqual(list(floors.faults(root)), wanted)
                run = subprocess.run([sys.executable, "-B", floors.__file__, folder], capture_output=True, text=True)
                self.assertEqual(run.stdout.splitlines(), wanted or ["no faults"])
                self.assertEqual(run.returncode, 1 if wanted else 0)

            for header in floors.UNTESTED:
                add(f"include/lotar/{header}")
            add("include/lotar/backend/cpu/gemm.hpp")  # tested with the header above it
            check([])
            add("include/lotar/nn/conv.hpp")
            check(["include/lotar/nn/conv.hpp:1: has no test tests/nn/conv.cpp"])
            add("tests/nn/conv.cpp")
            check([])
            add("include/lotar/backend/cuda.hpp")
            add("tests/backend/cuda.cu")
            check([])
            (root / "include/lotar/core/error.hpp").unlink()
            check(["tests/floors.py: excuses core/error.hpp, which does not exist"])


if __name__ == "__main__":
    unittest.main()
