# NixOS: services.flovyn-server runs an edition as a hardened systemd service. The same limits as deploy/systemd.
self:
{ config, lib, pkgs, ... }:
let
  cfg = config.services.flovyn-server;
  toml = pkgs.formats.toml { };
  ports = [ (cfg.settings.server_port or 8000) (cfg.settings.grpc_server_port or 9090) ];
  drain = cfg.settings.process.drain_timeout or 10;
in
{
  options.services.flovyn-server = {
    enable = lib.mkEnableOption "the Flovyn workflow server";

    package = lib.mkOption {
      type = lib.types.package;
      default = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
      defaultText = lib.literalExpression "flovyn-server.packages.\${system}.default";
      description = "The edition to run: any package of this flake.";
    };

    settings = lib.mkOption {
      type = toml.type;
      default = { };
      example = { process.workers = 4; engine.retain_finished = 2592000; };
      description = ''
        The configuration file; docs/configuration.md lists the keys. It is world-readable in the Nix store, so
        secrets belong in `environmentFile`, whose variables win over it.
      '';
    };

    environmentFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/run/secrets/flovyn-server.env";
      description = ''
        A file of `NAME=value` lines that only root can read, for secrets: `DATABASE_URL`, which is required unless
        `settings.database_url` holds it, and what plugins ask for, such as `WORKER_TOKEN_SECRET`.
      '';
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "flovyn-server";
      description = "The user that the server runs as; made when it has the default name.";
    };

    group = lib.mkOption {
      type = lib.types.str;
      default = "flovyn-server";
      description = "The group that the server runs as; made when it has the default name.";
    };

    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether to open the ports of REST and gRPC in the firewall.";
    };
  };

  config = lib.mkIf cfg.enable {
    users.users = lib.mkIf (cfg.user == "flovyn-server") {
      flovyn-server = { isSystemUser = true; group = cfg.group; };
    };
    users.groups = lib.mkIf (cfg.group == "flovyn-server") { flovyn-server = { }; };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall ports;

    systemd.services.flovyn-server = {
      description = "Flovyn workflow server";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" "postgresql.service" ];
      environment = {
        CONFIG_FILE = "${toml.generate "flovyn-server.toml" cfg.settings}";
        PEX_ROOT = "%C/flovyn-server";
      };
      serviceConfig = import ./service-config.nix // {
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        ExecStart = "${cfg.package}/bin/flovyn-server serve";
        User = cfg.user;
        Group = cfg.group;
        TimeoutStopSec = drain + 20;
      } // lib.optionalAttrs (cfg.environmentFile != null) { EnvironmentFile = cfg.environmentFile; };
    };
  };
}
