"""The instructor's side of Next Word: build notebooks, grade submissions, report."""
