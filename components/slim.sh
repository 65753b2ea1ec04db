#!/bin/sh
# Take out of a virtual environment what nothing imports at run time: packages' own tests, headers for compilers that the
# image doesn't have, pip. (Not every folder named tests: evidently's is its interface.)
set -eu
cd "$1"/lib/python3*/site-packages
for package in numpy scipy pandas sympy numba llvmlite pyarrow sklearn networkx matplotlib; do
    if [ -d "$package" ]; then
        find "$package" -type d -name tests -prune -exec rm -rf {} +
    fi
done
rm -rf torch/include torch/test pyarrow/include numpy/_core/include
"$1"/bin/python3 -m pip uninstall --yes --quiet pip
