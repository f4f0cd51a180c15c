"""The check that checks the checker: a small clean tree passes, and each violation planted in a copy
of it is found, by the right rule, and nothing else is."""
import copy
import pathlib
import tomllib

import pytest

import check_tidy

RULES = tomllib.loads((pathlib.Path(__file__).parent / "rules.toml").read_text(encoding="utf-8"))

CLEAN = {
    "include/base/thing.h": """#ifndef NEXTPROXY_BASE_THING_H
#define NEXTPROXY_BASE_THING_H

int thing_twice(int value);

#endif
""",
    "include/http.h": """#ifndef NEXTPROXY_HTTP_H
#define NEXTPROXY_HTTP_H

#include "base/thing.h"

int http_four(void);

#endif
""",
    "include/proxy.h": """#ifndef NEXTPROXY_PROXY_H
#define NEXTPROXY_PROXY_H

#include "http.h"

int proxy_run(int value);

#endif
""",
    "src/base/thing.c": """#include "base/thing.h"

/* "strcpy(" and malloc( in a comment or a literal break no rule. */
int thing_twice(int value)
{
    const char *text = "strcpy(a, b) atoi(c) malloc(1)";
    return value * 2 + (text == 0);
}
""",
    "src/http/four.c": """#include "http.h"

int http_four(void)
{
    return thing_twice(2);
}
""",
    "src/proxy/inner.h": """#ifndef NEXTPROXY_PROXY_INNER_H
#define NEXTPROXY_PROXY_INNER_H

enum { PROXY_EXTRA = 1 };

#endif
""",
    "src/proxy/run.c": """#include "inner.h"
#include "proxy.h"

int proxy_run(int value)
{
    return http_four() + value + PROXY_EXTRA;
}
""",
    "src/main.c": """#include "proxy.h"

int main(void)
{
    return proxy_run(1);
}
""",
}

LONG_FUNCTION = "\nint proxy_long(void)\n{\n" + "    ;\n" * 70 + "    return 0;\n}\n"
WARN_FUNCTION = "\nint proxy_warn(void)\n{\n" + "    ;\n" * 45 + "    return 0;\n}\n"
SIX_PARAMETERS = "\nint proxy_six(int a, int b, int c, int (*d)(int, int), int e, int f)\n{\n    return a;\n}\n"
FIVE_PARAMETERS = "\nint proxy_five(int a, int b, int c, int (*d)(int, int), int e)\n{\n    return a;\n}\n"

# file that gets the text, the text, the rule that must fire
PLANTED = [
    ("src/http/four.c", '#include "proxy.h"\n', "rank"),
    ("include/http.h", '#include "proxy.h"\n', "rank"),
    ("src/main.c", '#include "proxy/inner.h"\n', "private"),
    ("src/main.c", '#include "absent.h"\n', "include"),
    ("src/nobody/x.h", "#ifndef NEXTPROXY_NOBODY_X_H\n#endif\n", "rank"),
    ("src/proxy/run.c", "#include <liburing.h>\n", "liburing"),
    ("src/proxy/run.c", "#include <jansson.h>\n", "jansson"),
    ("src/proxy/run.c", "#include <stdatomic.h>\n", "atomics"),
    ("src/proxy/run.c", "static _Atomic int shared;\n", "atomics"),
    ("src/proxy/run.c", "void *proxy_p(void);\nvoid *p = malloc(3);\n", "allocation"),
    ("src/base/thing.c", "void *p = calloc(3, 1);\n", "allocation"),
    ("src/http/four.c", "int *e = &errno;\n", "errno"),
    ("src/http/four.c", "#include <unistd.h>\n", "purity"),
    ("src/http/four.c", "int t = clock_gettime(0, 0);\n", "purity"),
    ("src/proxy/run.c", "int n = atoi(text);\n", "banned"),
    ("tests/unit/test_x.c", "int n = sprintf(a, b);\n", "banned"),
    ("src/proxy/run.c", LONG_FUNCTION, "function-lines"),
    ("src/proxy/run.c", SIX_PARAMETERS, "parameters"),
    ("src/proxy/run.c", "\n" * 500, "file-lines"),
    ("include/proxy.h", "\n" * 250, "file-lines"),
    ("src/proxy/run.c", "/* " + "x" * 98 + " */\n", "line-columns"),
    ("src/proxy/run.c", "int x; \n", "whitespace"),
    ("src/proxy/run.c", "\tint x;\n", "whitespace"),
    ("src/proxy/run.c", "int x;", "whitespace"),
    ("src/proxy/run.c", "/* TODO: later */\n", "leftover"),
    ("docs/page.md", "FIXME\n", "leftover"),
    ("src/proxy/lonely.c", '#include "http.h"\n', "own-header"),
    ("include/proxy.h", "struct unknown_thing proxy_value;\nproxy_type proxy_x;\n", "self-contained"),
    ("include/proxy_other.h", "int x;\n", "guard"),
]


def tree_write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def rules_found(root, rules=None):
    report, _ = check_tidy.check_tree(root, rules or clean_rules(), "gcc")
    return [violation[2] for violation in report.violations], report


def clean_rules():
    """The real rules without the real tree's exceptions."""
    rules = copy.deepcopy(RULES)
    rules["function_lines_allowed"] = {}
    rules["file_lines_allowed"] = {}
    return rules


def test_clean_tree_passes(tmp_path):
    tree_write(tmp_path, CLEAN)
    assert rules_found(tmp_path)[0] == []


@pytest.mark.parametrize("name,text,rule", PLANTED, ids=[f"{p[2]}-{i}" for i, p in enumerate(PLANTED)])
def test_planted_violation_is_found(tmp_path, name, text, rule):
    files = dict(CLEAN)
    files[name] = files.get(name, "") + text
    if name == "include/proxy_other.h":
        files["src/proxy_other.c"] = '#include "proxy_other.h"\n'
    tree_write(tmp_path, files)
    found, report = rules_found(tmp_path)
    assert set(found) == {rule}, report.violations


def test_five_parameters_are_allowed(tmp_path):
    tree_write(tmp_path, dict(CLEAN, **{"src/proxy/run.c": CLEAN["src/proxy/run.c"] + FIVE_PARAMETERS}))
    assert rules_found(tmp_path)[0] == []


def test_long_function_warns_first(tmp_path):
    tree_write(tmp_path, dict(CLEAN, **{"src/proxy/run.c": CLEAN["src/proxy/run.c"] + WARN_FUNCTION}))
    found, report = rules_found(tmp_path)
    assert found == []
    assert [warning[3] for warning in report.warnings] == ["proxy_warn() has 48 lines"]


@pytest.mark.parametrize("allowed,ok", [(73, True), (72, False), (74, False)])
def test_allowance_may_only_shrink(tmp_path, allowed, ok):
    tree_write(tmp_path, dict(CLEAN, **{"src/proxy/run.c": CLEAN["src/proxy/run.c"] + LONG_FUNCTION}))
    rules = clean_rules()
    rules["function_lines_allowed"] = {"src/proxy/run.c:proxy_long": allowed}
    assert (rules_found(tmp_path, rules)[0] == []) == ok


def test_allowance_of_a_gone_function_must_go(tmp_path):
    tree_write(tmp_path, CLEAN)
    rules = clean_rules()
    rules["function_lines_allowed"] = {"src/proxy/run.c:proxy_gone": 99}
    assert rules_found(tmp_path, rules)[0] == ["function-lines"]


def test_confined_headers_are_allowed_in_their_module(tmp_path):
    ring = {"include/ring.h": "#ifndef NEXTPROXY_RING_H\n#define NEXTPROXY_RING_H\n#endif\n",
            "src/ring/ops.c": '#include "ring.h"\n\n#include <liburing.h>\n',
            "include/state.h": "#ifndef NEXTPROXY_STATE_H\n#define NEXTPROXY_STATE_H\n"
                               "#include <stdatomic.h>\n#endif\n"}
    tree_write(tmp_path, dict(CLEAN, **ring))
    assert rules_found(tmp_path)[0] == []
