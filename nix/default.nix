# What flake.nix offers for one system: editions, their wheels, a shell and checks.
{ lib, pkgs }:
let
  toolchain = import ./toolchain.nix { inherit lib pkgs; };
  wheelhouse = import ./wheelhouse.nix { inherit lib pkgs toolchain; };
in
{
  inherit wheelhouse;

  edition = import ./edition.nix { inherit lib pkgs toolchain wheelhouse; };

  shell = import ./shell.nix { inherit pkgs toolchain; };

  # An edition starts, with this Python and these libraries, and names itself.
  speaks = name: edition: pkgs.runCommand "flovyn-server-${name}-speaks" { nativeBuildInputs = [ edition ]; } ''
    export HOME=$TMPDIR
    flovyn-server version --json >$out
    grep -q '"edition": *"${name}"' $out
  '';

  moduleCheck = import ./module-check.nix { inherit lib pkgs; };
}
