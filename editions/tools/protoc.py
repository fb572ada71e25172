"""Runs the protoc of the locked grpcio-tools wheel: modules, type stubs and gRPC stubs of .proto files."""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files

from grpc_tools import protoc


def main(arguments: list[str]) -> int:
    """Run from the command line; protoc's own exit status and messages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", action="append", required=True, help="folder that imports in .proto files begin in")
    parser.add_argument("--out", required=True, help="folder to write below")
    parser.add_argument("proto", nargs="+")
    options = parser.parse_args(arguments)
    paths = [f"-I{root}" for root in (*options.root, files("grpc_tools") / "_proto")]
    outs = [f"--{kind}_out={options.out}" for kind in ("python", "pyi", "grpc_python")]
    return int(protoc.main(["protoc", *paths, *outs, *options.proto]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
