# A small part of NixOS's module system: declared options with types and defaults, `mkIf`, and free settings elsewhere.
#
# Modules that declare options see what the others, the machine's configuration, set; that is enough without laziness.
{ lib, pkgs, modules }:
with builtins;
let
  load = config: module:
    let loaded = if isFunction module then module { inherit config lib pkgs; } else module;
    in if loaded ? options || loaded ? config then { options = { }; config = { }; } // loaded else { options = { }; config = loaded; };

  # what is left when conditions have been decided
  decided = value:
    if !isAttrs value || value ? outPath then value
    else if value._type or "" == "if" then (if value.condition then decided value.content else { })
    else mapAttrs (_: decided) (lib.filterAttrs (_: inner: !(isAttrs inner && inner._type or "" == "if" && !inner.condition)) value);

  # every declared option with its value, checked; what no option declares is refused beside declared ones
  resolve = path: declared: given:
    if declared._type or "" == "option" then
      let value = if given == null then declared.default or (throw "option ${path} has no value") else given;
      in if declared.type.check value then value else throw "option ${path} is no ${declared.type.name}"
    else if given != null && removeAttrs given (attrNames declared) != { } then
      throw "there is no option ${path}.${head (attrNames (removeAttrs given (attrNames declared)))}"
    else mapAttrs (name: resolve "${path}.${name}" declared.${name}) (mapAttrs (name: _: (if given == null then { } else given).${name} or null) declared);

  machine = foldl' lib.recursiveUpdate { } (map (module: module.config) (filter (module: module.options == { }) (map (load { }) (filter (module: !(isFunction module)) modules))));
  declared = foldl' lib.recursiveUpdate { } (map (module: (load { inherit (resolved) services; } module).options) modules);
  resolved = { services = mapAttrs (name: options: resolve "services.${name}" options (machine.services.${name} or null)) declared.services; };
  made = map (module: decided (load resolved module).config) (filter isFunction modules);
in
{ config = foldl' lib.recursiveUpdate { } (made ++ [ resolved ]); }
