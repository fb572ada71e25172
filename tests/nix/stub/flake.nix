# Stands for nixpkgs where it cannot be fetched: the few functions that this flake uses, and packages made of the host's programs.
#
# It shows that the flake evaluates, that its derivations build, and what they write. It cannot show that nixpkgs' own
# packages do the same; docs/nix.md says what that leaves open.
{
  outputs = { self }:
    let
      lib = import ./lib.nix;
      host = builtins.fromJSON (builtins.readFile ./host.json); # written by .ci/nix.sh
      pkgs = system: import ./pkgs.nix { inherit host lib system; };
    in
    {
      lib = lib // {
        nixosSystem = { system, modules }: import ./modules.nix { inherit lib modules; pkgs = pkgs system; };
      };
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] pkgs;
    };
}
