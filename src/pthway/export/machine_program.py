"""The AOTInductor program: the graph compiled to machine code, without its weights."""

import copy
import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Final

from torch._inductor import aoti_compile_and_package
from torch.export.pt2_archive import PT2ArchiveReader, PT2ArchiveWriter

from pthway.errors import MissingDependency, NotExportable
from pthway.export.exported import Graph, first_line
from pthway.export.graph_program import write_constants
from pthway.runtime.compiler import require_compiler

FILE: Final = "model.aoti.pt2"
SETTINGS: Final = {
    "aot_inductor.package_constants_in_so": False,  # the bundle has them
    "aot_inductor.enable_line_tables": False,  # they name files of this machine
    "cpp.march": "",  # the instruction sets that the manifest lists, and no others
}


def write(graph: Graph, folder: Path) -> None:
    """Write ``model.aoti.pt2`` to *folder*, which takes a minute or more. Raises `NotExportable`, also where no C++ compiler is."""
    try:
        require_compiler()
    except MissingDependency as missing:
        raise NotExportable(missing.what, missing.why, missing.fix) from missing
    write_constants(graph.program, folder)
    work = Path(tempfile.mkdtemp(prefix="pthway-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("torch._inductor").setLevel(logging.ERROR)
            made = aoti_compile_and_package(copy.deepcopy(graph.program), package_path=str(work / FILE), inductor_configs=SETTINGS)
        _without_source(Path(made), folder / FILE)
    except Exception as cause:
        raise NotExportable(
            f"torch cannot compile the network: {first_line(cause)}",
            "The compiler knows fewer operators than torch.",
            "Use another program",
        ) from cause
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _without_source(made: Path, target: Path) -> None:
    """Copy the package without the C++ text, which nothing reads; of its machine code, messages of errors name the files it was made of."""
    archive = PT2ArchiveReader(str(made))
    with PT2ArchiveWriter(str(target)) as kept:
        for name in archive.get_file_names():
            if name.startswith("data/aotinductor/") and not name.endswith(".cpp"):
                kept.write_bytes(name, archive.read_bytes(name))
