"""The JavaScript of an explorer as one text: its modules and all that they import, for a widget or a page.

The files are ordinary modules, so that editors, the linter and the type checker understand them. A page must fetch
nothing, and a widget gets one text, so :func:`bundled` puts the modules one after the other, what is imported first,
and leaves out ``import`` and ``export``. All names at the top of modules therefore share one scope and must differ, and
only ``import { a, b } from "./file.js";`` is understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
SHARED = sorted(HERE.glob("*.js"))

_IMPORT = re.compile(r'^import \{[^}]*\} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) )", re.MULTILINE)


@cache
def bundled(script: Path) -> str:
    """Return what all explorers share, and ``script`` with all that it imports, as one text.

    ``STYLE`` holds the style sheets ``style.css`` next to these files.
    """
    files = list(_with_imports((*SHARED, script)))
    sheets = [folder / "style.css" for folder in dict.fromkeys(file.parent for file in files)]
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets if sheet.is_file())
    texts = (_EXPORT.sub("", _IMPORT.sub("", file.read_text(encoding="utf-8"))) for file in files)
    return f"const STYLE = {json.dumps(style)};\n" + "\n".join(texts)


def _with_imports(files: Iterable[Path], seen: dict[Path, None] | None = None) -> dict[Path, None]:
    """Return the files and all that they import, what is imported first."""
    seen = {} if seen is None else seen
    for file in files:
        if file not in seen:
            imported = _IMPORT.findall(file.read_text(encoding="utf-8"))
            _with_imports([(file.parent / name).resolve() for name in imported], seen)
            seen[file] = None
    return seen
