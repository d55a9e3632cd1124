"""Code that runs inside the sandbox, beside the student's.

It imports nothing of the grader but this folder.
"""
