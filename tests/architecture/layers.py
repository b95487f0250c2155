"""The order of the rooms: an import goes down only, and nothing imports in a circle."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from architecture.source import cycles, edges, modules

# Each package's rooms from the bottom up. A room is a folder, or a module beside the folders.
ORDER = {
    "parcela": [
        *("errors", "record", "settings", "options", "files", "stopwatch"),
        *(
            "atlas",
            "imaging",
            "weights",
            "processes",
            "dicom",
            "store",
            "quality",
            "bundle",
            "jobs",
        ),
    ],
    "parcela_gateway": [
        *(
            "prefix",
            "problem",
            "budgets",
            "keys",
            "download",
            "followed_jobs",
            "dependencies",
            "schemas",
            "metrics",
        ),
        "access_log",
        "api",
        *("host_and_origin", "jobs", "readiness", "upload", "page", "routes"),
        *("app", "__main__"),
    ],
    "parcela_cli": [
        *("arguments", "progress", "destination", "batch", "bundles", "pipeline", "engines"),
        *("client", "serve", "measure", "bids"),
        *("chosen_engine", "commands", "app"),
    ],
    "parcela_training": [
        *("options", "thesis", "hardware", "jsonable", "journal", "progress"),
        *("metrics", "cohorts", "preparation"),
        *("networks", "augmentation", "registration", "training"),
        *("experiment_folder", "evaluation", "report"),
        *("publish", "experiment", "commands"),
    ],
}


def rooms_without_a_place(tree: Path) -> list[str]:
    """Every room of an ordered package stands in its list."""
    return sorted(
        {
            f"{module.file}: {module.room} has no place in ORDER"
            for module in modules(tree)
            if module.package in ORDER and module.room != module.package
            if module.room.partition(".")[2] not in ORDER[module.package]
        }
    )


def upward_imports(tree: Path) -> list[str]:
    """An import inside a package goes down, from a later room of the list to an earlier one."""
    height = {
        f"{package}.{room}": number
        for package, order in ORDER.items()
        for number, room in enumerate(order)
    }
    return sorted(
        {
            f"{importer.file} imports {imported.name}"
            for importer, imported in edges(tree)
            if importer.package == imported.package
            and height.get(importer.room, -1) < height.get(imported.room, -1)
            and importer.room in height
        }
    )


def room_cycles(tree: Path) -> list[str]:
    """No two rooms import each other, directly or by way of others."""
    graph: dict[str, set[str]] = defaultdict(set)
    for importer, imported in edges(tree):
        if importer.room != imported.room:
            graph[importer.room].add(imported.room)
    return [" ↔ ".join(rooms) for rooms in cycles(graph)]


# Python users look for `save` on the prediction itself: it forwards, when called, to the room's writer.
FORWARDS = {("parcela.bundle.prediction", "parcela.bundle.write")}


def module_cycles(tree: Path) -> list[str]:
    """No two modules import each other, directly or by way of others."""
    graph: dict[str, set[str]] = defaultdict(set)
    for importer, imported in edges(tree):
        if (importer.name, imported.name) not in FORWARDS:
            graph[importer.name].add(imported.name)
    return [" ↔ ".join(names) for names in cycles(graph)]
