"""How large a file and a folder may be, how small a file, and when our own code must be justified."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from architecture.source import Module, edges, modules, packages

VAGUE_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
MOST_LINES = {"source": 400, "tests": 500}
MOST_MODULES = 14
FEWEST_LINES = 60  # of a module that one other imports
OWN_LINES = 120  # from here on, a module with a counterpart among libraries is justified

# Small modules with one importer that stand alone all the same, each with its reason.
SMALL_FOR_A_REASON = {
    "parcela.bundle.citations": "one file for each thing that a bundle says",
    "parcela_cli.commands": "one file for each command",
    "parcela_training.commands": "one file for each command",
    "parcela_preprocess.transforms": "one file for each transform",
    "parcela_inference.to_scan": "the one file of a service that settles borders on the way back to the scan",
    "parcela_labelling.to_scan": "the one file of a service that settles borders on the way back to the scan",
    "parcela_gateway.page.pages": "lies beside the templates that it fills",
    "parcela_gateway.page.guide": "the site of `make docs` lies beside it, and has a policy of its own",
    "parcela_gateway.routes.parameters": "the one place where the query differs from the options",
    "parcela_training.cohorts.find": "the entrance to all readers of cohorts, and no part of splitting one",
    "parcela_training.publish.card_record": "with it publish.py would pass 300 lines",
    "parcela_training.publish.plausible": "with it publish.py would pass 300 lines",
    "parcela_training.registration": "the poses, the distances, and the loss of both: each is a subject of its own",
    "parcela_training.report.markdown": "one file for each format of the report",
    "parcela_training.training.validation": "with it trainer.py would pass 300 lines",
}

# Own modules whose work a library offers too. Decision 3 says for each why it is our own.
COUNTERPARTS = {
    "parcela.bundle.mosaic": "nilearn",
    "parcela.imaging.slices": "nilearn",
    "parcela.jobs.ledger": "Celery",
    "parcela.store.folder": "obstore",
    "parcela.store.s3": "obstore",
    "parcela.processes.isolation": "pebble",
    "parcela_cli.serve.supervisor": "circus",
    "parcela_cli.client.retry": "tenacity",
    "parcela_gateway.problem": "fastapi-problem",
    "parcela_gateway.upload.form": "Starlette",
    "parcela_gateway.access_log": "structlog",
    "parcela_training.cohorts.bids": "pybids",
    "parcela_training.cohorts.virtual.diffeomorphism": "TorchIO",
    "parcela_training.metrics.measures": "MONAI",
    "parcela_training.preparation.processes": "pebble",
    "parcela_training.networks.unet_step": "MONAI",
    "parcela_preprocess.bias_field": "antspyx",
    "parcela_inference.sub_lattices": "MONAI",
    "parcela_training.training.trainer": "Lightning",
    "parcela_training.training.distributed": "Lightning",
}


def vague_names(tree: Path) -> list[str]:
    """No module or folder is called what could be anything."""
    return [
        module.file
        for module in modules(tree)
        if VAGUE_NAMES
        & {part.strip("_") for part in (*Path(module.file).parts[:-1], module.path.stem)}
    ]


def overlong_files(tree: Path) -> list[str]:
    """No file is longer than the ceiling."""
    source = [path for package in packages(tree).values() for path in package.folder.rglob("*.py")]
    tests = (tree / "tests").rglob("*.py")
    return [
        f"{path.relative_to(tree).as_posix()} has {lines} lines"
        for kind, paths in (("source", source), ("tests", tests))
        for path in sorted(paths)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES[kind]
    ]


def crowded_folders(tree: Path) -> list[str]:
    """A folder of the product holds at most fourteen modules, ``__init__`` not counted."""
    counts = Counter(
        Path(module.file).parent.as_posix()
        for module in modules(tree)
        if module.path.name != "__init__.py"
    )
    return [
        f"{folder} holds {count} modules"
        for folder, count in sorted(counts.items())
        if count > MOST_MODULES
    ]


def small_modules_of_one_importer(tree: Path) -> list[str]:
    """A short module that one other imports belongs into that other, unless a reason is given."""
    importers: dict[Module, set[str]] = defaultdict(set)
    for importer, imported in edges(tree):
        importers[imported].add(importer.name)
    return [
        f"{module.file} ({module.lines} lines) is imported by {min(importers[module])} alone"
        for module in modules(tree)
        if module.path.stem not in {"__init__", "__main__"}
        and module.lines < FEWEST_LINES
        and len(importers[module]) == 1
        and not any(f"{module.name}.".startswith(f"{name}.") for name in SMALL_FOR_A_REASON)
    ]


def own_code_without_a_reason(tree: Path) -> list[str]:
    """A long module of our own that a library could replace has its row in decision 3."""
    page = tree / "docs" / "decisions" / "0003-dependencies.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return [
        f"{module.file} ({COUNTERPARTS[module.name]} does the like)"
        for module in modules(tree)
        if module.name in COUNTERPARTS
        and module.lines > OWN_LINES
        and not any(
            module.name in row and COUNTERPARTS[module.name] in row for row in text.splitlines()
        )
    ]
