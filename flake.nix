# The server for people who use Nix: the same editions, built by the same Bazel rules, from the same menu.
{
  description = "Flovyn workflow server: every edition of editions/editions.json, a NixOS module and a development shell";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs = { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      menu = builtins.fromJSON (builtins.readFile ./editions/editions.json);
      systems = [ "x86_64-linux" "aarch64-linux" ];
      perSystem = make: lib.genAttrs systems (system: make (import ./nix { inherit lib; pkgs = nixpkgs.legacyPackages.${system}; }));
      editions = flovyn: lib.mapAttrs (name: entry: flovyn.edition name entry.description) menu.editions;
    in
    {
      # .#minimal, .#full, …; .#wheelhouse are the wheels that they are made of
      packages = perSystem (flovyn:
        let built = editions flovyn;
        in built // { default = built.${menu.default}; inherit (flovyn) wheelhouse; });

      # nix run .#full -- serve
      apps = perSystem (flovyn:
        let programs = lib.mapAttrs (_: package: { type = "app"; program = "${package}/bin/flovyn-server"; }) (editions flovyn);
        in programs // { default = programs.${menu.default}; });

      # every edition says what it is; the module makes the service that its options describe
      checks = perSystem (flovyn:
        lib.mapAttrs flovyn.speaks (editions flovyn) // {
          module = flovyn.moduleCheck { inherit (self.nixosModules) default; inherit (lib) nixosSystem; };
        });

      # Bazel, Python, PostgreSQL and buildifier, as ./bazelw wants them
      devShells = perSystem (flovyn: { default = flovyn.shell; });

      nixosModules.default = import ./nix/module.nix self;
    };
}
