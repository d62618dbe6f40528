"""GitHub Classroom's autograding: a workflow with a step for each task.

It belongs into the students' template as .github/workflows/classroom.yml, beside the
edition of `minidl course release`. A step is right if all public rows of its task are;
hidden rows are in no student's repository, so the points are those of the public part.

https://github.com/classroom-resources/autograding-command-grader
"""

from __future__ import annotations

import json

from ..assignment import Assignment

HEAD = """name: Autograding Tests
on: [push, repository_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  run-autograding-tests:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    steps:
    - name: Checkout code
      uses: actions/checkout@v4
"""
STEP = """    - name: {name}
      id: {key}
      uses: classroom-resources/autograding-command-grader@v1
      with:
        test-name: {name}
        setup-command: python3 -m pip install --quiet "numpy>=2"
        command: python3 -m minidl course score --task {task}
        timeout: {minutes}
        max-score: {points}
"""
TAIL = """    - name: Autograding Reporter
      uses: classroom-resources/autograding-grading-reporter@v1
      env:
{results}
      with:
        runners: {keys}
"""


def workflow(assignment: Assignment) -> str:
    """Return classroom.yml."""
    steps, keys = [], []
    for task in assignment.tasks.values():
        points = sum(row.points for row in assignment.public if row.task == task.name)
        keys.append(task.name.replace(".", "-"))
        name = json.dumps(f"{task.name} {task.title}", ensure_ascii=False)
        steps.append(
            STEP.format(
                name=name,
                key=keys[-1],
                task=task.name,
                points=points,
                minutes=2 + int(task.seconds // 60),
            )
        )
    results = "\n".join(
        f'        {key.upper()}_RESULTS: "${{{{steps.{key}.outputs.result}}}}"'
        for key in keys
    )
    return HEAD + "".join(steps) + TAIL.format(results=results, keys=",".join(keys))
