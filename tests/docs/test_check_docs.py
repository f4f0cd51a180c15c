"""The check that checks the checker: a small clean tree passes, and each fault planted in a copy of it
is found where it is, and nothing else is."""
import pytest

import check_docs

CLEAN = {
    "Makefile": "PREFIX ?= /usr\nbuild: src/main.c ## build\n.PHONY: test \\\n  check\n",
    "tools/make/more.mk": "unit conformance: build\n\t@echo no-target: here\n",
    "bench/Makefile": "micro:\n",
    "tests/fuzz/fuzz_request.c": "int x;\n",
    "src/main.c": 'static const char *names[] = {"--check", "--config"};\n',
    "src/proxy/fault.c": """static const struct fault_row rows[FAULT_COUNT] = {
    [FAULT_NONE] = {
        "none", 0, BLAME_US, RETRY_NEVER, LOG_DEBUG, true},
    [FAULT_BAD_BODY] = {
        "bad_body", 400, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false},
    [FAULT_GONE] = {
        "gone", 0, BLAME_CLIENT, RETRY_NEVER, LOG_DEBUG, false},
};

const struct fault_row *fault_row(enum fault fault)
{
    return &rows[fault_check(fault)];
}
""",
    "README.md": """# Title

[operations](docs/operations.md#the-faults), [here](#title), [out](https://example.com/x), `src/proxy/`.

```sh
make build PREFIX=/x && make check   # make nothing
make unit ONLY="base http"
make -f bench/Makefile micro
nextproxy --config x --check
```

```json
{"make": "make it"}
```

Run `make fuzz-request` or `make fuzz-NAME`; see `proxy/fault.c:fault_row` and `--check`.
""",
    "docs/operations.md": """# Operations

## The faults

<!-- faults: begin -->
| fault | client | log |
|---|---|---|
| `bad_body` | 400 | info |
| `gone` | nothing | - |
<!-- faults: end -->

[back](../README.md)
""",
}

# What is replaced in which file by what, and the one message that must follow.
PLANTED = [
    ("README.md", "docs/operations.md#the-faults", "docs/gone.md", "README.md:3: the link leads nowhere"),
    ("README.md", "#the-faults", "#no-faults", "has no heading for #no-faults"),
    ("README.md", "(#title)", "(#tittle)", "README.md has no heading for #tittle"),
    ("README.md", "make check", "make chek", "README.md:6: make chek: no such target"),
    ("README.md", "make fuzz-request", "make fuzz-reply", "README.md:16: make fuzz-reply: no such target"),
    ("README.md", "Makefile micro", "Makefile macro", "README.md:8: make macro: no such target"),
    ("README.md", "bench/Makefile", "bench/Makefiles", "README.md:8: make -f bench/Makefiles: no such file"),
    ("README.md", "make check", "make no-target", "README.md:6: make no-target: no such target"),
    ("README.md", "x --check", "x --chek", "README.md:9: nextproxy has no option --chek"),
    ("README.md", "and `--check`", "and `--chek`", "README.md:16: nextproxy has no option --chek"),
    ("README.md", "`src/proxy/`", "`src/prixy/`", "README.md:3: there is no src/prixy/"),
    ("README.md", "c:fault_row", "c:fault_raw", "README.md:16: proxy/fault.c has no function fault_raw"),
    ("README.md", "c:fault_row", "c:fault_check", "proxy/fault.c has no function fault_check"),
    ("README.md", "proxy/fault.c:", "proxy/fold.c:", "there is no proxy/fold.c below src/ or include/"),
    ("docs/operations.md", "| `gone` | nothing | - |\n", "", "the fault gone of src/proxy/fault.c has no row"),
    ("docs/operations.md", "`gone`", "`went`", "src/proxy/fault.c has no fault went"),
    ("docs/operations.md", "400", "404", "docs/operations.md:8: the status of bad_body is 400"),
    ("docs/operations.md", "info", "warn", "docs/operations.md:8: the log level of bad_body is info"),
    ("docs/operations.md", "faults: end", "faults: stop", "docs/operations.md:1: no table between"),
    ("src/proxy/fault.c", '"bad_body"', '"bad_bodies"', "the fault bad_bodies of src/proxy/fault.c has no row"),
]
# A fault that has another name is missing under the one and unknown under the other.
TWO_MESSAGES = ("`went`", '"bad_bodies"')


def tree_write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_clean_tree_passes(tmp_path):
    tree_write(tmp_path, CLEAN)
    assert check_docs.Checker(tmp_path).run() == []


@pytest.mark.parametrize("name, old, new, message", PLANTED, ids=[p[3] for p in PLANTED])
def test_planted_fault_is_found(tmp_path, name, old, new, message):
    assert CLEAN[name].count(old) == 1
    tree_write(tmp_path, {**CLEAN, name: CLEAN[name].replace(old, new)})
    problems = check_docs.Checker(tmp_path).run()
    assert any(message in problem for problem in problems), problems
    assert len(problems) == (2 if new in TWO_MESSAGES else 1), problems


def test_pages_of_a_build_are_not_read(tmp_path):
    tree_write(tmp_path, {**CLEAN, "build/x.md": "[gone](gone.md)\n"})
    assert check_docs.Checker(tmp_path).run() == []
