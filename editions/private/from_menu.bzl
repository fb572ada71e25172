"""`editions_from_menu`: one edition per entry of the menu; BUILD files themselves cannot pass a dictionary on."""

load("//editions:defs.bzl", "edition")

def editions_from_menu(menu):
    """Declares every edition of the menu.

    Args:
        menu: name to entry, as in editions.json; an entry's keys are arguments of `edition`.
    """
    for name, entry in menu.items():
        edition(name = name, **entry)

def plugins_of_menu(menu):
    """The labels of all plugins that the menu names, each once."""
    return {plugin: None for entry in menu.values() for plugin in entry.get("plugins", [])}.keys()
