"""A plot of the medians as SVG: grouped bars, written by hand so that nothing need be installed."""

from xml.sax.saxutils import escape

COLORS = {"nextproxy": "#1f6feb", "haproxy": "#8b949e", "haproxy+splice": "#57606a",
          "nginx": "#2da44e", "floor": "#d4a72c", "direct": "#bf3989"}
PANEL_WIDTH, PANEL_HEIGHT, MARGIN, LABEL_HEIGHT = 640, 230, 60, 44


def text(x, y, content, size=12, anchor="middle"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="#24292f">{escape(content)}</text>')


def panel(title, groups, top):
    """`groups`: [(label, {subject: value})]."""
    out = [text(MARGIN, top + 18, title, 14, "start")]
    subjects = [s for s in COLORS if any(s in values for _, values in groups)]
    largest = max((v for _, values in groups for v in values.values()), default=0) or 1
    base = top + PANEL_HEIGHT - LABEL_HEIGHT
    height = PANEL_HEIGHT - LABEL_HEIGHT - 44
    group_width = (PANEL_WIDTH - 2 * MARGIN) / max(len(groups), 1)
    bar_width = group_width * 0.8 / max(len(subjects), 1)
    for index, (label, values) in enumerate(groups):
        left = MARGIN + index * group_width + group_width * 0.1
        for place, subject in enumerate(subjects):
            if subject not in values:
                continue
            bar = values[subject] / largest * height
            x = left + place * bar_width
            out.append(f'<rect x="{x:.1f}" y="{base - bar:.1f}" width="{bar_width * 0.9:.1f}" '
                       f'height="{bar:.1f}" fill="{COLORS[subject]}"/>')
            out.append(text(x + bar_width * 0.45, base - bar - 3, f"{values[subject]:.3g}", 9))
        out.append(text(left + group_width * 0.4, base + 15, label))
    for place, subject in enumerate(subjects):
        x = MARGIN + place * 105
        out.append(f'<rect x="{x}" y="{base + 24}" width="10" height="10" '
                   f'fill="{COLORS[subject]}"/>')
        out.append(text(x + 14, base + 33, subject, 11, "start"))
    return out


def collect(table, prefix, metric):
    groups = []
    for scenario, cases in table.items():
        if scenario.startswith(prefix):
            values = {k: v[metric] for k, v in cases.items() if metric in v and k in COLORS}
            if values:
                groups.append((scenario[len(prefix):], values))
    return groups


def panels(table):
    yield "CPU microseconds per request, 1 KB, by keep-alive connections", collect(
        table, "keepalive-", "cpu_us_per_request")
    yield "CPU seconds per GB, by body size", collect(table, "bulk-", "cpu_s_per_gb")
    latency = table.get("openloop", {})
    yield "latency in microseconds at a constant rate", [
        (name, {k: v[name] for k, v in latency.items() if name in v})
        for name in ("p50", "p95", "p99")] if latency else []
    yield "CPU microseconds per request, a new connection each", collect(
        table, "fresh", "cpu_us_per_request")


def svg(table, subtitle):
    body, top = [], 30
    for title, groups in panels(table):
        if groups:
            body += panel(title, groups, top)
            top += PANEL_HEIGHT
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{PANEL_WIDTH}" height="{top + 10}" '
            f'font-family="sans-serif"><rect width="100%" height="100%" fill="#ffffff"/>')
    return "\n".join([head, text(MARGIN, 20, subtitle, 11, "start"), *body, "</svg>\n"])
