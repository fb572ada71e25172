# What the service may do: nothing but serve, write to its cache and its own /tmp. deploy/systemd says the same, with reasons.
{
  Type = "exec";
  KillMode = "mixed";
  Restart = "on-failure";
  RestartSec = 2;
  CacheDirectory = "flovyn-server";
  CacheDirectoryMode = "0700";
  LimitNOFILE = 65536;
  UMask = "0077";

  CapabilityBoundingSet = "";
  AmbientCapabilities = "";
  NoNewPrivileges = true;
  ProtectSystem = "strict";
  ProtectHome = true;
  ProtectClock = true;
  ProtectControlGroups = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  ProtectProc = "invisible";
  ProcSubset = "pid";
  PrivateDevices = true;
  PrivateTmp = true;
  PrivateUsers = true;
  RemoveIPC = true;
  RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  SystemCallArchitectures = "native";
  SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
}
