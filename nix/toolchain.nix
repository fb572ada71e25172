# The Bazel and the Python that build editions, and the libraries that compiled wheels expect of any Linux.
{ lib, pkgs }:
let
  wanted = lib.removeSuffix "\n" (builtins.readFile ../.bazelversion);
  attribute = "bazel_${lib.versions.major wanted}";
in
rec {
  # nixpkgs has one Bazel of each major version: the one of .bazelversion's, whatever its minor
  bazel = pkgs.${attribute} or (throw ".bazelversion says ${wanted}, but this nixpkgs has no ${attribute}");

  python = pkgs.python3;

  # wheels are built for distributions where these lie in /usr/lib
  libraryPath = lib.makeLibraryPath [ pkgs.stdenv.cc.cc.lib pkgs.zlib ];

  # how ./bazelw finds both
  environment = {
    BAZEL = "${bazel}/bin/bazel";
    FLOVYN_PYTHON = "${python}/bin/python3";
    USE_BAZEL_VERSION = bazel.version; # nixpkgs' launcher would refuse another version than .bazelversion's
  };
}
