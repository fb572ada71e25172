# Packages made of the host's programs: Python, Bazel, and a shell that builds.
{ host, lib, system }:
rec {
  runCommand = name: attributes: script:
    let tools = attributes.nativeBuildInputs or [ ];
    in derivation (builtins.removeAttrs attributes [ "meta" "nativeBuildInputs" ] // {
      inherit name system;
      builder = "/bin/bash";
      # the shell ends itself: Nix kills a builder that closes its output before it has ended, as cp and grep do
      args = [ "-euc" "${script}\nexit 0" ];
      PATH = builtins.concatStringsSep ":" (map (tool: "${tool}/bin") tools ++ [ "/usr/bin" "/bin" ]);
    }) // { meta = attributes.meta or { }; };

  # a package whose programs are links to the host's
  linked = name: programs: runCommand name { } (''
    mkdir -p $out/bin $out/lib
  '' + lib.concatMapStrings (program: "ln -s ${programs.${program}} $out/bin/${program}\n") (builtins.attrNames programs));

  python3 = linked "python3" { inherit (host) python3; } // {
    inherit (host) pythonVersion;
    sitePackages = "lib/python${host.pythonVersion}/site-packages";
    pkgs.pip = linked "pip" { };
    withPackages = _: python3;
  };
  bazel_7 = linked "bazel" { inherit (host) bazel; } // { version = host.bazelVersion; };
  bazel-buildtools = linked "bazel-buildtools" { };
  coreutils = linked "coreutils" { };
  git = linked "git" { };
  postgresql = linked "postgresql" { };
  zlib = linked "zlib" { };
  cacert = linked "cacert" { };
  stdenv = { cc.cc.lib = linked "libstdcxx" { }; hostPlatform = { inherit system; }; };
  runtimeShell = "/bin/bash";

  mkShell = attributes: runCommand "shell" (builtins.removeAttrs attributes [ "packages" ] // { nativeBuildInputs = attributes.packages; }) "touch $out";

  # JSON in place of TOML: what matters here is which settings reach the file
  formats.toml = _: {
    type = lib.types.attrs;
    generate = name: settings: builtins.toFile name (builtins.toJSON settings);
  };
}
