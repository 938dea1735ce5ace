"""The programs in examples/ run as they say, with the default model and without the network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.checkers import mypy, pyright
from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES
from tests.real.pages import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
# Packages that only some environments have.
NEEDS = {
    "harness": "lm_eval",
    "langchain_model": "langchain_core",
    "llamaindex_model": "llama_index.core",
}
PROGRAMS = sorted(path for path in EXAMPLES.glob("*.py"))
NOTES = "The garden gate has the code 4711.\n\nThe car goes to the garage every November.\n"
TASK = """\
task: capitals
test_split: test
output_type: multiple_choice
dataset_path: json
dataset_kwargs: {data_files: {test: capitals.jsonl}}
doc_to_text: "The capital of {{country}} is"
doc_to_choice: "{{choices}}"
doc_to_target: 0
"""


def run(name: str, *arguments: str, folder: Path, stdin: str = "") -> str:
    """What the program writes to stdout; it has to end well."""
    if name in NEEDS:
        package = NEEDS[name].partition(".")[0]
        if find_spec(package) is None:
            pytest.skip(f"needs {package}, of '.[clients]'")
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *arguments],
        cwd=folder,
        env=os.environ | {"PESTLE_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        input=stdin,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_a_test_for_each() -> None:
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {program.stem for program in PROGRAMS} <= tests
    assert len(PROGRAMS) >= 10
    assert len(NOTEBOOKS) >= 2


def test_the_list_of_them() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in [*PROGRAMS, *NOTEBOOKS]:
        assert f"[{path.name}]({path.name})" in text


@pytest.mark.real
def test_documents(default_model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(NOTES, encoding="utf-8")
    said = run("documents", ".", "When does the car go to the garage?", folder=tmp_path)
    assert said.startswith("> notes: The car goes to the garage every November.\n")
    assert "November" in said.splitlines()[1]


@pytest.mark.real
def test_extraction(default_model: Path, tmp_path: Path) -> None:
    sentences = "I was in Rome, Italy, last week.\nParis is the capital of France.\n"
    said = run("extraction", folder=tmp_path, stdin=sentences).splitlines()
    assert said == [
        "city,country,sentence",
        'Rome,Italy,"I was in Rome, Italy, last week."',
        "Paris,France,Paris is the capital of France.",
    ]


@pytest.mark.real
def test_agent(default_model: Path, tmp_path: Path) -> None:
    said = run("agent", "What is 17 plus 25?", folder=tmp_path)
    assert said.startswith("* add(")
    assert "\n= 42\n" in said


@pytest.mark.real
def test_labelling(default_model: Path, tmp_path: Path) -> None:
    texts = "I love this!\nThis is terrible.\n"
    said = run("labelling", "positive", "negative", folder=tmp_path, stdin=texts)
    assert said == "positive\tI love this!\nnegative\tThis is terrible.\n"


@pytest.mark.real
def test_classifier(default_model: Path, tmp_path: Path) -> None:
    said = run("classifier", "I love this film.", "positive", "negative", folder=tmp_path)
    first, second = (line.split() for line in said.splitlines())
    assert (first[1], second[1]) == ("positive", "negative")
    total = sum(float(probability.rstrip("%")) for probability, _ in (first, second))
    assert total == pytest.approx(100, abs=0.2)


@pytest.mark.real
def test_quantizations(default_model: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("The keeper lit the lamp and wrote down the wind. " * 3)
    options = ("--texts", "texts.txt", "--ctx-size", "32")
    said = run("quantizations", *options, folder=tmp_path).splitlines()
    assert said[0].split()[0] == "type"
    lost = [float(line.split()[2]) for line in said[1:]]
    assert [line.split()[0] for line in said[1:]] == ["Q8_0", "Q5_0", "Q4_0"]
    assert lost == sorted(lost)


@pytest.mark.real
def test_bot(default_model: Path, tmp_path: Path) -> None:
    room = "ada: What is the capital of France?\nbob: Tell me a story.\nbob: What is 1 + 1?\n"
    said = run("bot", folder=tmp_path, stdin=room).splitlines()
    assert said[0] == "@ada: The capital of France is Paris."
    assert said[1] == "@bob: (went on)"
    assert said[2].startswith("@bob: ")


@pytest.mark.real
def test_harness(default_model: Path, tmp_path: Path) -> None:
    rows = [("France", "Paris", "Rome"), ("Japan", "Tokyo", "Madrid"), ("Italy", "Rome", "Oslo")]
    lines = [json.dumps({"country": c, "choices": [right, wrong]}) for c, right, wrong in rows]
    (tmp_path / "capitals.jsonl").write_text("\n".join(lines))
    (tmp_path / "capitals.yaml").write_text(TASK)
    said = run("harness", "capitals", "--include-path", ".", folder=tmp_path)
    assert "acc,none                 1.0000" in said


@pytest.mark.real
def test_converting(tmp_path: Path) -> None:
    case = CASES["qwen3moe-256"]
    checkpoint_folder.write(tmp_path / "checkpoint", case, checkpoints.weights(case))
    said = run("converting", "checkpoint", "model.gguf", "Q8_0", folder=tmp_path)
    assert "tensors hold what the checkpoint gives: True" in said
    assert (tmp_path / "model.gguf").exists()


@pytest.mark.real
def test_langchain_model(default_model: Path, tmp_path: Path) -> None:
    assert run("langchain_model", folder=tmp_path) == "The capital of France is Paris.\n"


CALLS = """\
from pathlib import Path
from langchain_model import ChatPestle
from pestle import LLM
from pydantic import BaseModel

class City(BaseModel):
    name: str
    country: str

def add(a: int, b: int) -> int:
    'Add two numbers.'
    return a + b

with LLM(chat_template=Path("tools.jinja").read_text()) as llm:
    model = ChatPestle(llm=llm)
    tools = model.bind_tools([add], tool_choice="any", parallel_tool_calls=False, temperature=0)
    whole = tools.invoke("What is 17 plus 25?")
    streamed = None
    for piece in tools.stream("What is 17 plus 25?"):
        streamed = piece if streamed is None else streamed + piece
    for message in (whole, streamed):
        (call,) = message.tool_calls
        print(call["name"], call["args"])
    print(model.with_structured_output(City).invoke("Paris is in France."))
"""


@pytest.mark.real
def test_calls_of_the_langchain_model(default_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("langchain_core", reason="needs langchain-core (.[dev])")
    for name in ("langchain_model.py", "tools.jinja"):
        shutil.copy(EXAMPLES / name, tmp_path)
    (tmp_path / "calls.py").write_text(CALLS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "calls.py"],
        cwd=tmp_path,
        env=os.environ | {"PESTLE_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # How the model spells the rest depends on the words in which LangChain describes tools.
    whole, streamed, city = done.stdout.splitlines()
    assert whole == streamed
    assert whole.startswith("add {'a': ")
    assert city.startswith("name='Paris' country=")


@pytest.mark.real
def test_llamaindex_model(default_model: Path, tmp_path: Path) -> None:
    assert "November" in run("llamaindex_model", folder=tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(notebook: Path, default_model: Path, tmp_path: Path) -> None:
    """The cells in their order, as a kernel runs them; they hold no outputs of somebody's run."""
    cells = [
        c for c in json.loads(notebook.read_text("utf-8"))["cells"] if c["cell_type"] == "code"
    ]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    program = tmp_path / f"{notebook.stem}.py"
    program.write_text("\n\n".join("".join(cell["source"]) for cell in cells), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, env=os.environ | {"PESTLE_OFFLINE": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.slow
def test_they_are_typed(tmp_path: Path) -> None:
    """Those of packages that are here; the harness has no types."""
    here = [p for p in PROGRAMS if find_spec(NEEDS.get(p.stem, "pestle").partition(".")[0])]
    names = [Path(shutil.copy(path, tmp_path)).name for path in here if path.stem != "harness"]
    assert [line for line in mypy(*names, folder=tmp_path) if " error: " in line] == []
    lines = pyright(folder=tmp_path)
    assert lines[-1] == "0 errors, 0 warnings, 0 informations", "\n".join(lines)
