# What a developer needs: `nix develop`, then ./bazelw as everywhere else.
{ pkgs, toolchain }:
pkgs.mkShell ({
  packages = [
    toolchain.bazel
    (toolchain.python.withPackages (packages: [ packages.pip ]))
    pkgs.bazel-buildtools # buildifier
    pkgs.git
    pkgs.postgresql
  ];
  LD_LIBRARY_PATH = toolchain.libraryPath;
  shellHook = ''
    echo "flovyn-server: ./bazelw test //... --action_env=LD_LIBRARY_PATH --test_env=LD_LIBRARY_PATH"
  '';
} // removeAttrs toolchain.environment [ "FLOVYN_PYTHON" ])
