"""What proto/ gives is what is committed. core/wire's share is compared by `make check`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_grpcio_stubs_are_what_proto_gives(tmp_path):
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", *out, "sternpost/v1/scoring.proto"]
    subprocess.run(command, cwd=ROOT, check=True)
    made = sorted((tmp_path / "sternpost" / "v1").iterdir())
    assert [path.name for path in made] == ["scoring_pb2.py", "scoring_pb2.pyi", "scoring_pb2_grpc.py"]
    for path in made:
        committed = ROOT / "src" / "sternpost" / "v1" / path.name
        assert path.read_text() == committed.read_text(), f"{path.name} is not what proto/ gives; run make generate"
