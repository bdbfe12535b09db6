"""A contract for import-linter: which libraries a package may import."""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

Finding = tuple[str, str, list[int | None]]


class ExternalsContract(Contract):
    """A package imports the standard library, itself and what `allowed` names; nothing else from outside.

    Import-linter's own `forbidden` contract can only name what is not allowed, and so lets every
    library pass that nobody has thought of. Imports under TYPE_CHECKING count.
    """

    package = fields.ModuleField()
    allowed = fields.SetField(subfield=fields.StringField())
    exempt = fields.SetField(subfield=fields.ModuleField(), required=False, default=frozenset())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        findings = [
            (importer, imported, [detail["line_number"] for detail in details])
            for importer in sorted(self._importers(graph))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if self._is_foreign(graph, imported)
            and (details := graph.get_import_details(importer=importer, imported=imported))
        ]
        return ContractCheck(kept=not findings, metadata={"findings": findings})

    def render_broken_contract(self, check: ContractCheck) -> None:
        findings: list[Finding] = check.metadata["findings"]
        for importer, imported, lines in findings:
            where = ", ".join(f"l.{line}" for line in lines)
            output.print_error(f"{importer} imports {imported} ({where}), which is not among its libraries")
        output.new_line()

    def _importers(self, graph: ImportGraph) -> set[str]:
        found = _tree(graph, self.package.name)  # type: ignore[attr-defined]
        for exempt in self.exempt:  # type: ignore[attr-defined]
            found -= _tree(graph, exempt.name)
        return found

    def _is_foreign(self, graph: ImportGraph, module: str) -> bool:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or not graph.is_module_squashed(module):
            return False
        return top not in self.allowed and module not in self.allowed  # type: ignore[operator]


def _tree(graph: ImportGraph, package: str) -> set[str]:
    return {package, *graph.find_descendants(package)}
