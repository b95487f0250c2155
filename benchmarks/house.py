"""Measures of the house: how large it is, and how many words and doors it has.

``python benchmarks/house.py [CHECKOUT]`` prints them as a Markdown table, of this checkout or of another one.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tests"))

from architecture.layers import module_cycles, room_cycles  # noqa: E402
from architecture.source import Module, modules  # noqa: E402
from architecture.vocabulary import classes_twice, unfinished_first_lines, value_sets_twice  # noqa: E402

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Names that gave way to the field's own (the modules by their stem).
OLD_MODULES = [
    "chosen", "compute", "compute_child", "doorkeeper", "draws", "evaluate", "evaluate_run", "inlet", "insist",
    "isolated", "lookup", "patience", "prepared", "ranks", "run", "run_folder", "run_record", "sending", "steps",
    "telling", "trained", "tried", "whole_file",
]  # fmt: skip
OLD_NAMES = [
    "Candidate", "Choice", "Depth", "Family", "Line", "Model", "Order", "Ranks", "Say", "Saying", "Service", "Tell",
    "Trainee", "Trial", "Watch", "Way", "Woken", "against", "begun", "happens", "hear", "insist", "joined", "judge",
    "opened_labels", "plain", "pour", "strip_and_correct", "tried", "unopened", "unopened_labels", "_finite",
    "_floats", "_plain",
]  # fmt: skip
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip
VAGUE_VARIABLES = ["found", "known", "own", "there", "kept"]

CHILD_STARTERS = {
    "subprocess.Popen", "os.spawnv", "os.fork", "os.posix_spawn", "multiprocessing.Process",
    "multiprocessing.get_context", "concurrent.futures.ProcessPoolExecutor", "ProcessPoolExecutor",
    "pebble.ProcessPool", "ProcessPool", "Popen", "get_context", "asyncio.create_subprocess_exec",
}  # fmt: skip
OPTIONS = [{"model", "network", "models", "networks", "choice"}, {"skull_strip"}, {"space"}]


def code_lines(path: Path) -> int:
    """Lines that hold code: neither blank, nor a comment, nor a docstring."""
    text = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {
        line
        for token in tokens
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - docstring_lines(ast.parse(text)))


def docstring_lines(syntax: ast.Module) -> set[int]:
    """The numbers of the lines that docstrings take."""
    texts = [
        node.body[0]
        for node in ast.walk(syntax)
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node)
    ]
    return {line for text in texts for line in range(text.lineno, (text.end_lineno or 0) + 1)}


def lines_under(folder: Path) -> int:
    """Lines of all Python files below a folder, this script left out."""
    paths = [path for path in folder.rglob("*.py") if path.name != Path(__file__).name]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def functions(syntax: ast.AST) -> list[Function]:
    return [node for node in ast.walk(syntax) if isinstance(node, Function)]


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: Function) -> list[str]:
    arguments = function.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def names_declared(node: ast.AST, module: Module) -> set[str]:
    """The parameters of a function, or the annotated fields of a class and of its bases in the module."""
    if isinstance(node, Function):
        return set(parameters(node))
    if not isinstance(node, ast.ClassDef):
        return set()
    fields = [inner.target for inner in node.body if isinstance(inner, ast.AnnAssign)]
    bases = {ast.unparse(base) for base in node.bases}
    inherited = [
        names_declared(other, module)
        for other in module.syntax.body
        if isinstance(other, ast.ClassDef) and other.name in bases
    ]
    return {field.id for field in fields if isinstance(field, ast.Name)}.union(*inherited)


def option_declarations(tree: Path) -> list[str]:
    """Classes and functions that name a prediction's options one by one."""
    return [
        f"{module.file}:{node.lineno}"
        for module in modules(tree)
        for node in ast.walk(module.syntax)
        if isinstance(node, Function | ast.ClassDef)
        if all(names_declared(node, module) & words for words in OPTIONS)
    ]


def child_starters(tree: Path) -> list[str]:
    """Modules that start a process that lives beside its starter."""
    return [
        module.file
        for module in modules(tree)
        if any(
            isinstance(node, ast.Call) and ast.unparse(node.func) in CHILD_STARTERS
            for node in ast.walk(module.syntax)
        )
    ]


def html_skeletons(tree: Path) -> list[str]:
    """Files of the product that hold the frame of an HTML page: string literals and templates."""
    skeleton = re.compile(r"<html|<!doctype", re.IGNORECASE)
    written = [
        module.file
        for module in modules(tree)
        if any(
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and skeleton.search(node.value)
            for node in ast.walk(module.syntax)
        )
    ]
    templates = [
        path.relative_to(tree).as_posix()
        for part in ("shared", "services", "training", "cli")
        for ending in ("*.html", "*.j2", "*.jinja")
        for path in sorted((tree / part).rglob(ending))
        if skeleton.search(path.read_text(encoding="utf-8"))
    ]
    return written + templates


def markup_writers(tree: Path) -> list[str]:
    """Modules that write HTML tags in string literals of their own."""
    tag = re.compile(r"</?(?:table|tr|td|th|h[1-6]|p|div|section|img|ul|li|figure)\b[^>]*>")
    return [
        module.file
        for module in modules(tree)
        if any(
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and tag.search(node.value)
            for node in ast.walk(module.syntax)
        )
    ]


def old_names(tree: Path) -> Counter[str]:
    """Declarations under the names that were to go: modules, classes, functions, fields, parameters."""
    names = Counter(f"{m.path.stem}.py" for m in modules(tree) if m.path.stem in OLD_MODULES)
    for module in modules(tree):
        for node in ast.walk(module.syntax):
            match node:
                case ast.ClassDef(name=name) | ast.arg(arg=name):
                    declared = name
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    declared = name
                case ast.Name(id=name, ctx=ast.Store()):
                    declared = name
                case _:
                    continue
            if declared in OLD_NAMES:
                names[declared] += 1
    return names


def vague_variables(tree: Path) -> int:
    """Uses of variables that do not say what they hold."""
    return sum(
        isinstance(node, ast.Name) and node.id in VAGUE_VARIABLES
        for module in modules(tree)
        for node in ast.walk(module.syntax)
    )


def assertions(tree: Path) -> int:
    """Assertions of the tests: ``assert``, and what must raise or warn."""
    return sum(
        isinstance(node, ast.Assert)
        or (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"pytest.raises", "pytest.warns"}
        )
        for path in sorted((tree / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def longest_functions(tree: Path) -> list[tuple[int, str]]:
    """Every function by its length in lines, the longest first."""
    return sorted(
        (
            (length(function), f"{module.file}:{function.lineno} {function.name}")
            for module in modules(tree)
            for function in functions(module.syntax)
        ),
        reverse=True,
    )


def measures(tree: Path) -> dict[str, str]:
    """Each measure's name and what it says of this tree."""
    product = modules(tree)
    lengths = [lines for lines, _ in longest_functions(tree)]
    folders = Counter(m.path.parent for m in product if m.path.name != "__init__.py")
    fullest, most = folders.most_common(1)[0]
    names = old_names(tree)
    return {
        "product: files": str(len(product)),
        "product: lines": str(sum(module.lines for module in product)),
        "product: code lines (no blanks, comments, docstrings)": str(
            sum(code_lines(m.path) for m in product)
        ),
        "product and benchmarks: lines": str(
            sum(m.lines for m in product) + lines_under(tree / "benchmarks")
        ),
        "modules in the fullest folder": f"{most} ({fullest.relative_to(tree).as_posix()})",
        "longest file": "{} ({})".format(*max((m.lines, m.file) for m in product)),
        "class names declared twice": listed(classes_twice(tree)),
        "equal sets of values (Literal, Enum) declared again": listed(value_sets_twice(tree)),
        "declarations of a prediction's options": listed(option_declarations(tree)),
        "modules that start a child": listed(child_starters(tree)),
        "skeletons of an HTML page": listed(html_skeletons(tree)),
        "modules that write HTML tags": listed(markup_writers(tree)),
        "import cycles of modules": listed(module_cycles(tree)),
        "import cycles of rooms": listed(room_cycles(tree)),
        "old names left": listed(f"{name} ×{n}" for name, n in sorted(names.items())),
        f"uses of variables named {', '.join(VAGUE_VARIABLES)}": str(vague_variables(tree)),
        "docstrings whose first line does not stand alone": listed(unfinished_first_lines(tree)),
        "functions: median, p90, longest (lines)": (
            f"{median(lengths):.0f}, {quantiles(lengths, n=10)[-1]:.0f}, {lengths[0]}"
        ),
        "functions over 40 lines": str(sum(lines > 40 for lines in lengths)),
        "functions over 80 lines": str(sum(lines > 80 for lines in lengths)),
        "most parameters": str(
            max(len(parameters(f)) for m in product for f in functions(m.syntax))
        ),
        "assertions in tests": str(assertions(tree)),
    }


def listed(items: object) -> str:
    """How many there are, and which."""
    assert isinstance(items, list | Iterator)
    words = [str(item) for item in items]
    return f"{len(words)}" + (f": {'; '.join(words)}" if words else "")


def main() -> None:
    tree = Path(sys.argv[1] if len(sys.argv) > 1 else CHECKOUT).resolve()
    print("| measure | |\n|---|---|")
    for name, value in measures(tree).items():
        print(f"| {name} | {value} |")
    print("\nThe ten longest functions:\n")
    for lines, place in longest_functions(tree)[:10]:
        print(f"- {lines}: {place}")


if __name__ == "__main__":
    main()
