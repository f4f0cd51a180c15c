#!/usr/bin/python3
"""Checks that the documentation still speaks of what is there.

    check_docs.py [--root DIR]

- relative links, and anchors in them, lead somewhere;
- `make X` names a target;
- code spans that are paths of the tree name a file or folder that exists;
- `file.c:function` names a function of that file, below src/ or include/;
- the faults of docs/operations.md are those of src/proxy/fault.c, with their status and log level;
- command-line options of nextproxy in code spans exist in src/main.c or src/remote.c.

Prints every problem as file:line: message, then the counts; exits 1 if there were any.
"""
import argparse
import pathlib
import re
import sys

SKIPPED_FOLDERS = {"build", ".git", "node_modules", "__pycache__", ".pytest_cache"}
TREE_FOLDERS = ("src", "include", "docs", "tests", "bench", "tools", "kernel-reqs", "packaging")
# Made by the build or by a run, or named before they are made.
MADE_PATHS = ("bench/results/",)

LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"^\s*```(\w*)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
TREE_PATH = re.compile(r"(?:%s)(?:/[\w.+-]+)*/?" % "|".join(TREE_FOLDERS))
FUNCTION_AT = re.compile(r"([\w/]+\.[ch]):([a-z_]\w*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
RULE = re.compile(r"^([\w-]+(?:[ \t]+[\w-]+)*)[ \t]*:(?!=)", re.MULTILINE)
PHONY = re.compile(r"^\.PHONY:(.*)$", re.MULTILINE)
FAULT_ROW = re.compile(r'\[FAULT_\w+\]\s*=\s*\{\s*"(\w+)",\s*(\d+),\s*\w+,\s*\w+,\s*LOG_(\w+),')
FAULTS_BEGIN, FAULTS_END = "<!-- faults: begin -->", "<!-- faults: end -->"


class Page:
    """One markdown file: its lines, and which of them stand in a fenced block of which language."""

    def __init__(self, root, path):
        self.path = path
        self.lines = (root / path).read_text(encoding="utf-8").splitlines()
        self.languages = []
        language = None
        for line in self.lines:
            fence = FENCE.match(line)
            if fence:
                self.languages.append("fence")
                language = fence.group(1) if language is None else None
            else:
                self.languages.append(language)

    def prose(self):
        """Lines outside of fenced blocks, numbered."""
        return ((n, line) for n, (line, language) in
                enumerate(zip(self.lines, self.languages), 1) if language is None)

    def code(self):
        """Code spans, and lines of shell blocks without their comments, numbered."""
        for number, (line, language) in enumerate(zip(self.lines, self.languages), 1):
            if language is None:
                for span in CODE_SPAN.findall(line):
                    yield number, span
            elif language in ("", "sh", "bash", "console"):
                yield number, line.split("#")[0].strip()

    def anchors(self):
        """The anchors of the headings, named as GitHub names them."""
        seen = {}
        for _, line in self.prose():
            heading = HEADING.match(line)
            if not heading:
                continue
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1))
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            yield slug if count == 0 else f"{slug}-{count}"


class Checker:
    """The tree, and the problems found in it."""

    def __init__(self, root):
        self.root = root
        self.problems = []
        paths = (p.relative_to(root) for p in sorted(root.rglob("*.md")))
        self.pages = {p: Page(root, p) for p in paths if not SKIPPED_FOLDERS & set(p.parts)}

    def problem(self, path, line, message):
        self.problems.append(f"{path}:{line}: {message}")

    # --- Links ---------------------------------------------------------------------------------

    def check_links(self, page):
        for number, line in page.prose():
            for link in LINK.findall(CODE_SPAN.sub(lambda m: "`" * len(m.group()), line)):
                if not re.match(r"[a-z][a-z0-9+.-]*:", link):
                    self.check_link(page, number, link)

    def check_link(self, page, number, link):
        name, _, anchor = link.partition("#")
        target = (self.root / page.path.parent / name).resolve() if name else self.root / page.path
        if not target.exists():
            self.problem(page.path, number, f"the link leads nowhere: {link}")
            return
        if not anchor or target.suffix != ".md" or not target.is_relative_to(self.root):
            return
        other = self.pages.get(target.relative_to(self.root))
        if other and anchor not in other.anchors():
            self.problem(page.path, number, f"{name or page.path} has no heading for #{anchor}")

    # --- Commands ------------------------------------------------------------------------------

    def targets(self, makefiles):
        names = set()
        for makefile in makefiles:
            text = makefile.read_text(encoding="utf-8").replace("\\\n", " ")
            for rule in RULE.findall(text) + PHONY.findall(text):
                names.update(rule.split())
        return names

    def check_make(self, page, main_targets, fuzz_names):
        for number, code in page.code():
            for command in re.split(r"&&|;|\|", code):
                words = command.split()
                while words and (words[0] == "sudo" or re.match(r"\w+=", words[0])):
                    words.pop(0)
                if words[:1] == ["make"]:
                    self.check_command(page, number, words[1:], main_targets, fuzz_names)

    def check_command(self, page, number, words, targets, fuzz_names):
        if words[:1] == ["-f"] and len(words) > 1:
            makefile = self.root / words[1]
            if not makefile.is_file():
                self.problem(page.path, number, f"make -f {words[1]}: no such file")
                return
            targets, words = self.targets([makefile]), words[2:]
        # Behind a quoted value its parts would look like targets.
        text = re.sub(r"\w+=(\"[^\"]*\"|'[^']*'|\S*)", "", " ".join(words))
        for word in text.split():
            fuzz = word.removeprefix("fuzz-")
            placeholder = word == word.upper() or fuzz.isupper()
            known = word in targets or (fuzz != word and fuzz in fuzz_names)
            if re.fullmatch(r"[A-Za-z][\w-]*", word) and not placeholder and not known:
                self.problem(page.path, number, f"make {word}: no such target")

    def check_options(self, page, options):
        for number, code in page.code():
            for command in re.split(r"&&|;|\|", code):
                words = command.split()
                alone = len(words) == 1 and words[0].startswith("--")
                runs = re.match(r"(\w+=\S+\s+)*(build/)?nextproxy\s", command.strip() + " ")
                if not runs and not (alone and page.path in OPTION_PAGES):
                    continue
                for option in OPTION.findall(command):
                    if option not in options:
                        self.problem(page.path, number, f"nextproxy has no option {option}")

    # --- Places in the tree --------------------------------------------------------------------

    def check_paths(self, page):
        for number, line in page.prose():
            for span in CODE_SPAN.findall(line):
                if TREE_PATH.fullmatch(span) and not span.startswith(MADE_PATHS):
                    if not (self.root / span).exists():
                        self.problem(page.path, number, f"there is no {span}")
                function = FUNCTION_AT.fullmatch(span)
                if function:
                    self.check_function(page, number, *function.groups())

    def check_function(self, page, number, name, function):
        for folder in ("src", "include"):
            path = self.root / folder / name
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                if not re.search(rf"^\w[^\n;=]*\b{function}\(", text, re.MULTILINE):
                    self.problem(page.path, number, f"{name} has no function {function}")
                return
        self.problem(page.path, number, f"there is no {name} below src/ or include/")

    # --- Faults --------------------------------------------------------------------------------

    def check_faults(self):
        path = pathlib.Path("docs/operations.md")
        page = self.pages.get(path)
        text = (self.root / "src/proxy/fault.c").read_text(encoding="utf-8")
        rows = {name: (int(status), level.lower())
                for name, status, level in FAULT_ROW.findall(text) if name != "none"}
        if page is None or FAULTS_BEGIN not in page.lines or FAULTS_END not in page.lines:
            self.problem(path, 1, f"no table between {FAULTS_BEGIN} and {FAULTS_END}")
            return
        begin, end = page.lines.index(FAULTS_BEGIN), page.lines.index(FAULTS_END)
        seen = set()
        for number in range(begin + 1, end):
            match = re.match(r"\|\s*`(\w+)`\s*\|([^|]*)\|([^|]*)\|", page.lines[number])
            if match:
                seen.add(match.group(1))
                self.check_fault(path, number + 1, match.groups(), rows)
        for name in rows.keys() - seen:
            self.problem(path, begin + 1, f"the fault {name} of src/proxy/fault.c has no row")

    def check_fault(self, path, number, cells, rows):
        name, client, level = cells
        if name not in rows:
            self.problem(path, number, f"src/proxy/fault.c has no fault {name}")
            return
        status = re.match(r"\s*(\d{3})\b", client)
        if status and int(status.group(1)) != rows[name][0]:
            self.problem(path, number, f"the status of {name} is {rows[name][0]}")
        if level.strip() not in ("-", rows[name][1]):
            self.problem(path, number, f"the log level of {name} is {rows[name][1]}")

    # --- All -----------------------------------------------------------------------------------

    def run(self):
        makefiles = [self.root / "Makefile", *sorted((self.root / "tools/make").glob("*.mk"))]
        targets = self.targets([m for m in makefiles if m.is_file()])
        fuzz_names = {p.stem.removeprefix("fuzz_") for p in (self.root / "tests/fuzz").glob("fuzz_*.c")}
        sources = (self.root / "src" / name for name in ("main.c", "remote.c"))
        options = {option for source in sources if source.is_file()
                   for option in OPTION.findall(source.read_text(encoding="utf-8"))}
        for page in self.pages.values():
            self.check_links(page)
            self.check_make(page, targets, fuzz_names)
            self.check_options(page, options)
            self.check_paths(page)
        self.check_faults()
        return self.problems


# Pages on which an option that stands alone is one of nextproxy's.
OPTION_PAGES = {pathlib.Path(p) for p in
                ("README.md", "CHANGELOG.md", "src/README.md", "docs/operations.md", "docs/http.md")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent.parent)
    checker = Checker(parser.parse_args().root.resolve())
    problems = checker.run()
    for problem in problems:
        print(problem)
    print(f"docs: {len(checker.pages)} pages, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
