"""The command line of `tools/fuzz`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from pathlib import Path

from fuzzing import campaign, findings
from fuzzing.kinds import DEFAULT, SHARES, kind
from fuzzing.scratch import in_memory

_EXAMPLES = """\
  tools/fuzz --cases 1000000 --jobs 2          go on until so many cases are done
  tools/fuzz --minutes 40 --kinds gguf,shards  or for so long; --first makes other cases
  tools/fuzz gguf --seed 4711                  run one case again
  tools/fuzz gguf --case FILE                  run a case that is a file
  tools/fuzz gguf --seed 4711 --keep NAME "what it broke"   put it into tests/fuzz/corpus, smaller
  tools/fuzz --coverage gguf --minutes 5       libFuzzer (clang) or atheris, guided by coverage
  tools/sanitize --fuzz --cases 3000           under AddressSanitizer and UBSan

Exit codes: 0 nothing found, 1 findings, 2 a tool is missing or the arguments are wrong.
"""


def main() -> int:
    """Run the command; the exit code."""
    options = _options()
    if options.coverage:
        from fuzzing import coverage

        return coverage.run(options.coverage, options.minutes or 1.0, options.out)
    if options.kind is not None:
        return _one(options)
    return _many(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "tools/fuzz", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "kind", nargs="?", choices=list(SHARES), metavar="KIND", help=", ".join(SHARES)
    )
    parser.add_argument("--seed", type=int, help="the number of one case")
    parser.add_argument("--case", type=Path, help="a file that is a case")
    parser.add_argument("--keep", nargs=2, metavar=("NAME", "STORY"), help="put it into the corpus")
    parser.add_argument("--cases", type=int, default=10_000, help="how many, of all kinds (10000)")
    parser.add_argument("--kinds", default=",".join(DEFAULT), help="of which kinds, with commas")
    parser.add_argument("--first", type=int, default=0, help="the number of each kind's first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="where findings go")
    parser.add_argument("--coverage", metavar="TARGET", help="what: gguf, or a kind of Python's")
    options = parser.parse_args()
    unknown = [name for name in options.kinds.split(",") if name not in SHARES]
    if unknown:
        parser.error(f"unknown kind {unknown[0]!r}; known: {', '.join(SHARES)}")
    if options.kind is not None and (options.seed is None) == (options.case is None):
        parser.error("give a kind with either --seed or --case")
    return options


def _one(options: argparse.Namespace) -> int:
    name = options.kind
    case = options.case.read_bytes() if options.case else kind(name).case(name, options.seed)
    if options.keep:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{name}.case"
        path.write_bytes(case)
        kept = findings.keep(name, findings.minimise(name, path), *options.keep)
        print(f"{kept}: {kept.stat().st_size} of {len(case)} bytes")
        return 0
    began = time.process_time()
    with in_memory() as folder:
        os.environ.update(PESTLE_CACHE=f"{folder}/cache", PESTLE_DATA=f"{folder}/data")
        work = Path(folder) / "work"
        work.mkdir()
        try:
            outcome = findings.replay(name, case, work)
        except Exception as error:
            traceback.print_exc()
            print(f"{type(error).__name__}: {str(error)[:300]!r}", file=sys.stderr)
            return 1
    print(f"{outcome} ({len(case)} bytes, {time.process_time() - began:.3f} s)")
    return 0


def _many(options: argparse.Namespace) -> int:
    folder = findings.Folder(options.out)
    last = 0.0

    def progress(report: campaign.Report) -> None:
        nonlocal last
        if report.seconds - last > 10:
            last = report.seconds
            rate, n = report.cases / report.seconds, len(report.findings)
            print(f"{report.cases} cases, {rate:.0f}/s, {n} findings", file=sys.stderr)

    def found(finding: campaign.Finding) -> None:
        path = folder.add(finding)
        if path is not None:
            what = f"{finding.kind} {finding.seed}: {finding.what} ({path})"
            print(f"FINDING {what}", file=sys.stderr)

    plan = campaign.batches(options.kinds.split(","), options.cases, options.first)
    seconds = 60 * options.minutes if options.minutes else float("inf")
    report = campaign.run(plan, jobs=options.jobs, seconds=seconds, found=found, progress=progress)
    said = report.to_json() | {"causes": folder.causes}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(said, indent=2), "utf-8")
    _print(report, folder)
    return 1 if report.findings else 0


def _print(report: campaign.Report, folder: findings.Folder) -> None:
    said = report.to_json()
    for name, counts in said["kinds"].items():
        outcomes = ", ".join(f"{outcome} {n}" for outcome, n in counts["outcomes"].items())
        slow = f"slowest {counts['slowest_seconds']} s (seed {counts['slowest_seed']})"
        print(f"{name:12} {counts['cases']:8}  {slow}  {outcomes}")
    for cause, n in folder.causes.items():
        print(f"FINDING x{n}: {cause}")
    run, peak = said["cases_of_model_files_loaded_and_run"], said["peak_bytes"] >> 20
    print(
        f"{said['cases']} cases ({run} load and run a model) in {said['seconds']} s, "
        f"{said['cases_per_second']}/s, peak {peak} MB, "
        f"{len(said['findings'])} findings of {len(folder.causes)} causes"
    )
