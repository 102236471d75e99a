"""What was tuned as one page for any browser, picture included."""

from base64 import b64encode
from html import escape
from typing import Final

from pthway.runtime.tuned import Tuned
from pthway.tuning.plot import png
from pthway.tuning.report import HEADERS, rows, summary

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid #8884 }
td:nth-child(n+2):nth-child(-n+6), th:nth-child(n+2):nth-child(-n+6) { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100%; background: white }
"""


def page(tuned: Tuned, name: str) -> str:
    """The page of what was tuned of the bundle *name*: it loads nothing and runs nothing."""
    picture = b64encode(png(tuned)).decode()
    here = tuned.environment
    facts = f"{here.processor}, {here.cores} processors; {', '.join(f'{key} {value}' for key, value in here.packages.items())}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(name)}, tuned</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(name)}, tuned</h1>
<p>{escape(summary(tuned))}</p>
<p>{escape(facts)}; {escape(tuned.date)}, {tuned.seconds} s</p>
<img alt="latency and throughput over the number of samples" src="data:image/png;base64,{picture}">
<table>
<thead>{_row("th", HEADERS)}</thead>
<tbody>
{chr(10).join(_row("td", row) for row in rows(tuned))}
</tbody>
</table>
</body>
</html>
"""


def _row(cell: str, values: tuple[str, ...]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(value)}</{cell}>' for value in values)}</tr>"
