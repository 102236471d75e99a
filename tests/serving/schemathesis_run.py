"""Asks a server everything that its own description allows, and much that it does not: ``make schemathesis``.

No answer may be a failure of the server, or other than the description says. Not asked: whether all that the schema allows is taken,
since no schema can say that a shape and the number of data belong together.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.serving import networks
from tests.serving.servers import Server

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance"
)


def main() -> int:
    """Schemathesis' own exit code, or 1 if the log tells of a failure of the server."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", type=Path, help="schemathesis, of an environment of its own")
    parser.add_argument("--examples", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [networks.write(Path(folder), make(), name=make.__name__) for make in (networks.echo, networks.table, networks.mirror)]
        with Server(*paths, batch=8) as server:
            done = subprocess.run(
                [
                    *(options.command.absolute(), "run", f"http://127.0.0.1:{server.port}/openapi.json", "--continue-on-failure"),
                    *("--checks", CHECKS, "--max-examples", str(options.examples)),
                ],
                cwd=folder,
                check=False,
            )
            failures = [entry for entry in server.log if entry["status"] == 500]
            print(f"{len(server.log):,} requests, {len(failures)} failures of the server: {failures[:3]}")
    return done.returncode or bool(failures)


if __name__ == "__main__":
    sys.exit(main())
