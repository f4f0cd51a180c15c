#!/usr/bin/python3
"""Checks the tree against rules.toml: module ranks, confined headers, banned calls, sizes.

    check_tidy.py [--root DIR] [--cc CC] [--warnings]

Prints every violation as file:line: rule: message, then the counts; exits 1 if there were any.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor

CODE_FOLDERS = ("src", "include", "kernel-reqs", "bench", "tests")
PRODUCT_FOLDERS = ("src", "include")
TEXT_SUFFIXES = {".c", ".h", ".def", ".py", ".sh", ".mk", ".md", ".toml", ".yml", ".json", ".service"}
COMMENT_OR_LITERAL = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
FUNCTION_NAME = re.compile(r"([A-Za-z_]\w*)\s*\($")


class Report:
    """Collects violations and warnings in the order they are found."""

    def __init__(self):
        self.violations = []
        self.warnings = []

    def violation(self, path, line, rule, message):
        self.violations.append((str(path), line, rule, message))

    def warning(self, path, line, rule, message):
        self.warnings.append((str(path), line, rule, message))


class Source:
    """One C file: its text as written, and with comments and literals blanked out."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.splitlines()
        self.code_lines = blank(self.text).splitlines()
        self.module = module_of(path)

    def includes(self):
        for number, line in enumerate(self.lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1)


def blank(text):
    """Replaces comments and literals by spaces, keeping every line where it was.

    Include lines stay whole: rules about headers look at them.
    """
    def spaces(match):
        before = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
        if match.group().startswith('"') and re.match(r"\s*#\s*include\s*$", before):
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())
    return COMMENT_OR_LITERAL.sub(spaces, text)


def module_of(path):
    """The module a file belongs to; files directly under src/ are all "main"; None outside."""
    parts = path.parts
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else "main"
    if parts[0] == "include" and len(parts) > 1:
        return pathlib.PurePath(parts[1]).stem
    return None


def sources_find(root):
    paths = []
    for folder in CODE_FOLDERS:
        for suffix in ("*.c", "*.h"):
            paths += [p.relative_to(root) for p in (root / folder).rglob(suffix)]
    return [Source(root, path) for path in sorted(paths)]


def include_resolve(root, source, name):
    """The tree's file behind an include, or None when it is not ours."""
    for folder in (source.path.parent, *map(pathlib.Path, ("include", "src", "."))):
        candidate = pathlib.Path(os.path.normpath(folder / name))
        if (root / candidate).is_file():
            return candidate
    return None


def rank_module(root, rules, module):
    """The name under which a module has its rank: a header of a top-level file is "main"."""
    if module not in rules["ranks"] and (root / "src" / f"{module}.c").is_file():
        return "main"
    return module


def check_ranks(root, rules, sources, report):
    ranks = rules["ranks"]
    for source in sources:
        if source.path.parts[0] not in PRODUCT_FOLDERS:
            continue
        own = rank_module(root, rules, source.module)
        if own not in ranks:
            report.violation(source.path, 1, "rank", f"module '{own}' has no rank in rules.toml")
            continue
        for line, name in source.includes():
            target = include_resolve(root, source, name)
            if target is None:
                report.violation(source.path, line, "include", f'"{name}" is not in the tree')
                continue
            other = rank_module(root, rules, module_of(target))
            check_edge(ranks, source, line, own, other, target, report)


def check_edge(ranks, source, line, own, other, target, report):
    if other == own or target.parts[0] not in PRODUCT_FOLDERS:
        return
    if target.parts[0] == "src":
        report.violation(source.path, line, "private",
                         f"{target} is private to module '{other}'")
    elif ranks.get(other, 99) >= ranks[own]:
        report.violation(source.path, line, "rank",
                         f"'{own}' (rank {ranks[own]}) must not include '{other}' "
                         f"(rank {ranks.get(other)})")


def is_allowed(source, root, rules, places):
    module = rank_module(root, rules, source.module) if source.module else None
    return any(place == module or str(source.path).startswith(place)
               for place in places if place == module or "/" in place)


def check_confined(root, rules, sources, report):
    for rule in rules["confined"]:
        pattern = re.compile(rule["pattern"])
        for source in sources:
            if "except" in rule:
                allowed = source.module not in rule["except"]
            else:
                allowed = is_allowed(source, root, rules, rule["allowed"])
            if allowed:
                continue
            for number, line in enumerate(source.code_lines, 1):
                match = pattern.search(line)
                if match:
                    report.violation(source.path, number, rule["name"],
                                     f"'{match.group().strip()}' does not belong here: {rule['why']}")


def check_banned(rules, sources, report):
    banned = rules["banned"]
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(banned) + r")\s*\(")
    for source in sources:
        for number, line in enumerate(source.code_lines, 1):
            for match in pattern.finditer(line):
                name = match.group(1)
                report.violation(source.path, number, "banned", f"{name}(): {banned[name]}")


def functions_of(source):
    """Yields (name, line, body lines, parameters) of each function: a brace in column 0 opens one."""
    start = None
    for number, line in enumerate(source.code_lines, 1):
        if line.startswith("{") and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            signature = signature_before(source.code_lines, start)
            yield function_name(signature), start, number - start + 1, parameters_count(signature)
            start = None


def signature_before(lines, brace_line):
    """The text between the end of the previous declaration and the opening brace."""
    collected = []
    for line in reversed(lines[:brace_line - 1]):
        if not line.strip() or line.startswith(("}", "#")) or line.rstrip().endswith((";", "*/")):
            break
        collected.append(line.strip())
    return re.sub(r"__attribute__\s*\(\(.*?\)\)\s*", "", " ".join(reversed(collected)))


def function_name(signature):
    match = FUNCTION_NAME.search(signature[:signature.find("(") + 1])
    return match.group(1) if match else "?"


def parameters_count(signature):
    """Commas at the depth of the parameter list, plus one."""
    opening = signature.find("(")
    if opening < 0 or signature[opening:].replace(" ", "").startswith(("()", "(void)")):
        return 0
    depth, commas = 0, 0
    for char in signature[opening:]:
        depth += (char == "(") - (char == ")")
        commas += char == "," and depth == 1
        if depth == 0:
            break
    return commas + 1


def check_functions(rules, sources, report):
    limits, allowed = rules["limits"], dict(rules["function_lines_allowed"])
    for source in sources:
        for name, line, length, parameters in functions_of(source):
            key = f"{source.path}:{name}"
            check_size(report, "function-lines", source.path, line, f"{name}()", length,
                       limits["function_lines"], allowed.pop(key, None))
            if limits["function_lines_warn"] < length <= limits["function_lines"]:
                report.warning(source.path, line, "function-lines", f"{name}() has {length} lines")
            if parameters > limits["parameters"] and source.path.parts[0] in PRODUCT_FOLDERS:
                report.violation(source.path, line, "parameters",
                                 f"{name}() takes {parameters}: make it a struct")
    for key in allowed:
        report.violation("tests/tidy/rules.toml", 1, "function-lines", f"{key} is gone: remove its entry")


def check_size(report, rule, path, line, what, size, limit, allowed):
    """The ratchet: an allowed size may only shrink, and its entry must follow."""
    if allowed is None:
        if size > limit:
            report.violation(path, line, rule, f"{what} has {size} lines, at most {limit}")
    elif size > allowed:
        report.violation(path, line, rule, f"{what} grew from {allowed} to {size} lines")
    elif size < allowed:
        report.violation(path, line, rule,
                         f"{what} shrank to {size} lines: lower its entry in rules.toml from {allowed}")


def check_files(rules, sources, report):
    limits, allowed = rules["limits"], dict(rules["file_lines_allowed"])
    for source in sources:
        is_header = source.path.parts[0] == "include"
        limit = limits["header_lines"] if is_header else limits["file_lines"]
        check_size(report, "file-lines", source.path, 1, str(source.path), len(source.lines), limit,
                   allowed.pop(str(source.path), None))
        check_text(limits, source, report)
    for key in allowed:
        report.violation("tests/tidy/rules.toml", 1, "file-lines", f"{key} is gone: remove its entry")


def check_text(limits, source, report):
    for number, line in enumerate(source.lines, 1):
        if len(line) > limits["line_columns"]:
            report.violation(source.path, number, "line-columns", f"{len(line)} columns")
        if line != line.rstrip() or "\t" in line:
            report.violation(source.path, number, "whitespace", "tab or space at the end")
    if source.text and not source.text.endswith("\n"):
        report.violation(source.path, len(source.lines), "whitespace", "no newline at the end")


def check_leftovers(root, report):
    """Unfinished work is an issue, not a comment."""
    here = pathlib.Path("tests/tidy")
    for folder in (*CODE_FOLDERS, "tools", "docs", "packaging"):
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if relative.is_relative_to(here) or path.suffix not in TEXT_SUFFIXES or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            for number, line in enumerate(text.splitlines(), 1):
                match = LEFTOVER.search(line)
                if match:
                    report.violation(relative, number, "leftover", match.group())


def check_own_header(root, sources, report):
    for source in sources:
        if source.path.parts[0] != "src" or source.path.suffix != ".c" or source.module == "main":
            continue
        targets = [include_resolve(root, source, name) for _, name in source.includes()]
        if not any(target and module_of(target) == source.module for target in targets):
            report.violation(source.path, 1, "own-header",
                             f"includes no header of its own module '{source.module}'")


def guard_names(path):
    """include/base/arena.h has the guard NEXTPROXY_BASE_ARENA_H.

    A file named after its folder need not say it twice: src/ring/ring_internal.h may have
    NEXTPROXY_RING_INTERNAL_H.
    """
    inner = path.relative_to(path.parts[0])
    names = [str(inner)]
    if len(inner.parts) > 1 and inner.name.startswith(inner.parts[-2] + "_"):
        names.append(str(inner.parent.parent / inner.name))
    return ["NEXTPROXY_" + re.sub(r"\W", "_", name).upper() for name in names]


def check_headers(root, cc, sources, report):
    """A header compiles alone, and its guard is named after it."""
    headers = [s for s in sources if s.path.suffix == ".h" and s.path.parts[0] in PRODUCT_FOLDERS]
    for source in headers:
        names = guard_names(source.path)
        if not any(f"#ifndef {name}\n" in source.text for name in names):
            report.violation(source.path, 1, "guard", f"guard {names[0]} is missing")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, error in pool.map(lambda s: (s, header_compile(root, cc, s.path)), headers):
            if error:
                report.violation(source.path, 1, "self-contained", error)


def header_compile(root, cc, path):
    """Compiles one header as a file of its own; returns the first error or None."""
    command = [cc, "-std=gnu17", "-D_GNU_SOURCE", '-DNEXTPROXY_VERSION="0"', "-Iinclude", "-Isrc", "-I.",
               "-Wall", "-Wextra", "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(command, input=f'#include "{path.relative_to(path.parts[0])}"\n', text=True,
                          cwd=root, capture_output=True, check=False)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    return errors[0] if errors else done.stderr.strip()


def check_tree(root, rules, cc):
    report = Report()
    sources = sources_find(root)
    check_ranks(root, rules, sources, report)
    check_confined(root, rules, sources, report)
    check_banned(rules, sources, report)
    check_functions(rules, sources, report)
    check_files(rules, sources, report)
    check_leftovers(root, report)
    check_own_header(root, sources, report)
    check_headers(root, cc, sources, report)
    return report, len(sources)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--root", type=pathlib.Path, default=here.parent.parent)
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--warnings", action="store_true", help="print warnings too")
    args = parser.parse_args()
    rules = tomllib.loads((here / "rules.toml").read_text(encoding="utf-8"))
    report, files = check_tree(args.root.resolve(), rules, args.cc)
    shown = report.violations + (report.warnings if args.warnings else [])
    for path, line, rule, message in shown:
        print(f"{path}:{line}: {rule}: {message}")
    print(f"tidy: {files} files, {len(report.violations)} violations, {len(report.warnings)} warnings")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
