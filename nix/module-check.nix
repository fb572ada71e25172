# The module, evaluated with NixOS's own functions: what it makes of settings, and that it makes nothing when it is off.
{ lib, pkgs }:
{ default, nixosSystem }:
let
  evaluate = settings: (nixosSystem {
    inherit (pkgs.stdenv.hostPlatform) system;
    modules = [ default settings ];
  }).config;
  on = evaluate {
    services.flovyn-server = {
      enable = true;
      settings = { process.drain_timeout = 30; server_port = 8080; };
      environmentFile = "/run/secrets/flovyn-server.env";
      openFirewall = true;
    };
  };
  off = evaluate { services.flovyn-server.enable = false; };
  service = on.systemd.services.flovyn-server;
  expected = {
    "the environment file is the unit's" = service.serviceConfig.EnvironmentFile == "/run/secrets/flovyn-server.env";
    "a stop may take longer than draining" = service.serviceConfig.TimeoutStopSec > 30;
    "the firewall is open for REST and gRPC" = builtins.all (port: builtins.elem port on.networking.firewall.allowedTCPPorts) [ 8080 9090 ];
    "the user is made" = on.users.users.flovyn-server.isSystemUser;
    "nothing is made when it is off" = !(off.systemd.services or { } ? flovyn-server);
  };
  wrong = builtins.attrNames (lib.filterAttrs (_: holds: !holds) expected);
in
if wrong != [ ] then throw "nix/module.nix: not so: ${builtins.concatStringsSep "; " wrong}" else
pkgs.runCommand "flovyn-server-module" { configuration = service.environment.CONFIG_FILE; } ''
  grep -q drain_timeout $configuration
  touch $out
''
