# The locked wheels, downloaded by the program that Bazel's repository rule runs. Bazel checks their hashes again.
#
# Nix wants the hash of the whole folder as well. It depends on the system and on the Python, so it is recorded for each of
# them, together with the locks that it belongs to: a lock that has changed since counts as not recorded.
{ lib, pkgs, toolchain }:
let
  inherit (toolchain) python;
  toolchainFolder = ../editions/toolchain;
  locks = builtins.hashString "sha256" (lib.concatMapStrings (name: builtins.hashFile "sha256" (toolchainFolder + "/${name}.lock")) [ "runtime" "build" ]);
  key = "${pkgs.stdenv.hostPlatform.system}-python${python.pythonVersion}";
  recorded = (builtins.fromJSON (builtins.readFile ./wheelhouse-hashes.json)).${key} or { };
  missing = ''
    nix/wheelhouse-hashes.json has no hash of the wheels for ${key} and these locks. `nix build .#wheelhouse`
    downloads the wheels and prints it after "got:"; add
      "${key}": {"locks": "${locks}", "hash": "sha256-…"}'';
in
pkgs.runCommand "flovyn-server-wheels"
{
  nativeBuildInputs = [ python ];
  PYTHONPATH = "${python.pkgs.pip}/${python.sitePackages}:${../.}";
  impureEnvVars = [ "FLOVYN_WHEELHOUSE" "PIP_CERT" "PIP_INDEX_URL" "http_proxy" "https_proxy" "no_proxy" ];
  outputHashMode = "recursive";
  outputHashAlgo = "sha256";
  outputHash = if recorded.locks or "" == locks then recorded.hash else lib.warn missing lib.fakeHash;
} ''
  export HOME=$TMPDIR PIP_CERT=''${PIP_CERT:-${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt} PYTHONDONTWRITEBYTECODE=1
  python3 -s -m editions.toolchain.wheelhouse --pip-lock ${toolchainFolder}/build.lock \
    --lock ${toolchainFolder}/runtime.lock --lock ${toolchainFolder}/build.lock
  cp -r whl $out
''
