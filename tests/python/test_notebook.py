# SPDX-License-Identifier: Apache-2.0
"""A notebook, run by a kernel: tables and charts, a call that is interrupted, a kernel that is restarted with
models open. Tested where nbclient and ipykernel are installed: .ci/frameworks."""

import os
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

PHOTO = Path(os.environ["AI_SOURCE"]) / "tests" / "data" / "chelsea.png"
INTERRUPT = """import signal
signal.signal(signal.SIGPROF, signal.default_int_handler)
signal.setitimer(signal.ITIMER_PROF, 0.2)"""


def cell(client, source):
    """Runs a cell; its outputs."""
    client.nb.cells.append(nbformat.v4.new_code_cell(source))
    done = client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)
    return done["outputs"]


def html(outputs):
    (found,) = [output["data"]["text/html"] for output in outputs if "data" in output]
    return found


def test_notebook(slow_eyes, double):
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=300, kernel_name="python3")
    with client.setup_kernel():
        cell(client, "import libai, numpy as np")
        page = html(cell(client, f"model = libai.Model({str(double)!r})\nmodel"))
        assert "<table><caption>double" in page and "<td>float32</td>" in page
        seeing = f"eyes = libai.Classifier({str(slow_eyes)!r}, cpu='ref')\n"
        page = html(cell(client, f"{seeing}eyes({str(PHOTO)!r}, top=3)"))
        assert page.count("<tr>") == 3 and "width:100.0%" in page

        with pytest.raises(nbclient.exceptions.CellExecutionError, match="KeyboardInterrupt"):
            cell(client, f"{INTERRUPT}\neyes({str(PHOTO)!r})")
        assert html(cell(client, f"eyes({str(PHOTO)!r}, top=1)"))  # it goes on


def test_restart(double):
    """A kernel that ends with models open ends by itself, and the next one opens them."""
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=300, kernel_name="python3")
    source = (f"import libai, numpy as np\nmodel = libai.Model({str(double)!r}, threads=2)\n"
              "print(model(np.ones((2, 4), np.float32)).sum())")
    for _ in range(2):
        with client.setup_kernel():
            (said,) = cell(client, source)
            assert said["text"] == "16.0\n"
