# One edition, written by the rules of //editions: what they put into it is said there and nowhere else.
#
# Bazel runs inside of the derivation, without network: the wheelhouse replaces it. The file is the one that `./bazelw build` writes with the same CPython; only the launcher beside it knows of Nix.
{ lib, pkgs, toolchain, wheelhouse }:
let
  unused = [ ".ci" ".git" ".venv" "deploy" "docs" "flake.lock" "flake.nix" "nix" ];
  isUsed = path: let name = baseNameOf path; in !(builtins.elem name unused || lib.hasPrefix "bazel-" name);
  source = builtins.path { name = "flovyn-server-source"; path = ../.; filter = path: _: isUsed path; };
in
name: description:
pkgs.runCommand "flovyn-server-${name}"
  (toolchain.environment // {
    FLOVYN_WHEELHOUSE = wheelhouse;
    meta = { inherit description; mainProgram = "flovyn-server"; };
  }) ''
  export HOME=$TMPDIR
  cp -r ${source} source
  chmod -R u+w source
  cd source
  sh ./bazelw --batch --output_user_root=$TMPDIR/bazel build --color=no --curses=no \
    --action_env=LD_LIBRARY_PATH=${toolchain.libraryPath} //editions:${name}

  # the edition, and what says of it what it is
  mkdir -p $out/bin $out/share/flovyn-server
  for suffix in pex manifest.json cdx.json intoto.jsonl SHA256SUMS; do
    cp bazel-bin/editions/${name}.$suffix $out/share/flovyn-server/
  done

  cat >$out/bin/flovyn-server <<END
  #!${pkgs.runtimeShell}
  # The Python that the edition was built for, and the libraries that its wheels expect.
  export PATH=${toolchain.python}/bin:\$PATH
  export LD_LIBRARY_PATH=${toolchain.libraryPath}\''${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
  exec $out/share/flovyn-server/${name}.pex "\$@"
  END
  chmod +x $out/bin/flovyn-server
''
