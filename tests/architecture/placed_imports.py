"""Contract type ``places`` of pyproject.toml: a library is imported in the listed places and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def inside(module: str, places: list[str]) -> bool:
    """Return whether the module is one of the places or below one; ``*`` stands for any text without a dot."""
    parts = module.split(".")
    wanted = [place.split(".") for place in places]
    return any(
        len(place) <= len(parts)
        and all(fnmatchcase(part, pattern) for part, pattern in zip(parts, place, strict=False))
        for place in wanted
    )


class PlacesContract(Contract):
    """Refuses each direct import of a library from outside of its places, and each place that imports none of them.

    The stock type ``protected`` knows no pattern inside of a name, which the generated ``plugins.*.*_pb2`` needs, and
    accepts a place that is not used any more. Places in ``plugins`` may be unused: a plugin can be deleted.
    """

    libraries: Any = fields.ListField(subfield=fields.StringField())
    places: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - the base class decides
        """Find the breaches, as lines for the report."""
        places: list[str] = self.places
        links = list(self._links(graph))
        breaches = [_chain(graph, *link) for link in links if not inside(link[0], places)]
        unused = [place for place in places if not any(inside(importer, [place]) for importer, _ in links)]
        breaches += [f"{place} is a place that imports none of them" for place in unused if place[:8] != "plugins."]
        return ContractCheck(kept=not breaches, metadata={"breaches": sorted(breaches)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the breaches."""
        for line in check.metadata["breaches"]:
            output.print_error(f"- {line}", bold=False)

    def _links(self, graph: ImportGraph) -> Iterator[tuple[str, str]]:
        for library in sorted(graph.modules):
            if inside(library, self.libraries):
                yield from ((importer, library) for importer in graph.find_modules_that_directly_import(library))


def _chain(graph: ImportGraph, importer: str, library: str) -> str:
    lines = [detail["line_number"] for detail in graph.get_import_details(importer=importer, imported=library)]
    return f"{importer} -> {library} (l.{', '.join(map(str, lines))})"
