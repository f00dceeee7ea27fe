# SPDX-License-Identifier: Apache-2.0
"""What a wheel carries of others. `carried.py libraries COMPILER... -- FILE...` prints where shared libraries
lie, each under the name by which the loader looks for it; `carried.py licences` with the same arguments, and
archives too, prints "PACKAGE FILE": what the Debian package they come from says about copyright. Elsewhere
it says that a wheel made here lacks these, and should stay here."""

import contextlib
import subprocess
import sys
from pathlib import Path


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout.strip()


def library(compiler, file):
    found = Path(output(*compiler, f"-print-file-name={file}"))
    if found.suffix == ".a":
        return found
    versions = sorted(found.parent.glob(f"{file}.*"), key=lambda path: len(path.name))
    if not versions:
        sys.exit(f"{file}: no shared library of that name is found")
    return versions[0]


def package(path):
    """The Debian package of a file, or None. dpkg may know it without the /usr that /lib leads to."""
    real = path.resolve()
    for place in (real, str(real).removeprefix("/usr")):
        with contextlib.suppress(FileNotFoundError, subprocess.CalledProcessError):
            return output("dpkg-query", "-S", place).split(":")[0]
    return None


def main():
    what, *rest = sys.argv[1:]
    end = rest.index("--")
    for file in rest[end + 1:]:
        path = library(rest[:end], file)
        if what == "libraries":
            print(path)
        elif name := package(path):
            print(name, Path("/usr/share/doc") / name / "copyright")
        else:
            print(f"{path}: no package says its licence, this wheel should stay here", file=sys.stderr)


if __name__ == "__main__":
    main()
