"""The instructor's side of Next Word: build notebooks, grade submissions, report."""

import sys

# Where jsonschema (which nbformat brings) finds this module, it builds a grammar of internationalised
# addresses at import: 1.7 s of processor time in each of our processes, for a format that no notebook has.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
