# SPDX-License-Identifier: Apache-2.0
"""Prints where the shared libraries lie that a wheel carries: COMPILER... -- NAME..., each under the name
by which the loader looks for it."""

import subprocess
import sys
from pathlib import Path

end = sys.argv.index("--")
compiler, names = sys.argv[1:end], sys.argv[end + 1:]
for name in names:
    found = subprocess.run([*compiler, f"-print-file-name=lib{name}.so"], check=True,
                           capture_output=True, text=True).stdout.strip()
    versions = sorted(Path(found).parent.glob(f"lib{name}.so.*"), key=lambda path: len(path.name))
    if not versions:
        sys.exit(f"lib{name}.so: no shared library of that name is found")
    print(versions[0])
