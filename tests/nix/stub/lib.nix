# The functions of nixpkgs' lib that the flake uses, in their simplest form.
with builtins;
rec {
  fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

  genAttrs = names: make: listToAttrs (map (name: { inherit name; value = make name; }) names);
  inherit mapAttrs;
  filterAttrs = keep: set: removeAttrs set (filter (name: !(keep name set.${name})) (attrNames set));
  optionalAttrs = condition: set: if condition then set else { };
  recursiveUpdate = left: right: left // mapAttrs
    (name: value: if isAttrs value && isAttrs (left.${name} or null) && !(value ? _type) && !(value ? outPath)
      then recursiveUpdate left.${name} value else value)
    right;

  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  removeSuffix = suffix: text:
    let kept = stringLength text - stringLength suffix;
    in if kept >= 0 && substring kept (-1) text == suffix then substring 0 kept text else text;
  concatMapStrings = show: list: concatStringsSep "" (map show list);
  escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] text}'";
  makeLibraryPath = packages: concatStringsSep ":" (map (package: "${package}/lib") packages);
  versions.major = version: head (splitVersion version);

  warn = message: value: trace "warning: ${message}" value;

  literalExpression = text: { _type = "literalExpression"; inherit text; };
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkOption = option: option // { _type = "option"; };
  mkEnableOption = what: mkOption { type = types.bool; default = false; description = "Whether to enable ${what}."; };
  types = {
    bool = { name = "boolean"; check = isBool; };
    str = { name = "string"; check = isString; };
    package = { name = "package"; check = value: isAttrs value && value ? outPath; };
    attrs = { name = "set"; check = isAttrs; };
    nullOr = type: { name = "null or ${type.name}"; check = value: value == null || type.check value; };
  };
}
