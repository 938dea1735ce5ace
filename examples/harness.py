"""Measure a model by EleutherAI's lm-evaluation-harness, in this process.

    pip install 'pestle[lm-eval]'
    python examples/harness.py arc_easy hellaswag --limit 100

Tasks fetch their data sets from the hub. `python -m pestle.lm_eval` takes all of the harness's own
options; here is what to write where the figures are wanted in a program.
"""

import argparse
from typing import Any

import lm_eval
from pestle.lm_eval import PestleLM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--model", help="a file or a name; default: the default model")
    parser.add_argument("--limit", type=int, help="questions of each task")
    parser.add_argument("--include-path", help="a folder with tasks of your own")
    options = parser.parse_args()
    found: dict[str, Any] = lm_eval.simple_evaluate(
        model=PestleLM(options.model),
        tasks=options.tasks,
        limit=options.limit,
        task_manager=lm_eval.tasks.TaskManager(include_path=options.include_path),
    )
    for task, figures in found["results"].items():
        for name, value in figures.items():
            if isinstance(value, float):
                print(f"{task:20} {name:24} {value:.4f}")


if __name__ == "__main__":
    main()
