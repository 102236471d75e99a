"""What only one runtime needs is not imported for another, and nothing talks to the network."""

import subprocess
import sys

import pytest

ANSWER = """
import sys
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event.startswith("socket.") else None)
import numpy, pthway
answer = pthway.open_session(sys.argv[1], runtime=sys.argv[2]).predict(numpy.ones((2, 20), "float32"))
print(answer.array.shape, seen, sorted({"torch", "openvino", "onnxruntime", "onnx"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_imports_itself_alone_and_opens_no_socket(packed, runtime):
    bundle = packed.bundle("Mlp")
    done = subprocess.run([sys.executable, "-c", ANSWER, str(bundle.path), runtime], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[0] == f"(2, 5) [] ['{runtime}']", done.stderr
    assert done.stderr == ""
