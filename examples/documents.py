"""Chat over your own documents: find the passages that a question is about, and answer from them.

    python examples/documents.py FOLDER "What is the code of the gate?"

FOLDER has texts (*.md, *.txt). For good answers give two models, one made for vectors and one that
writes: --embedder qwen3-embedding-0.6b --model qwen3-4b-2507.
"""

import argparse
from pathlib import Path

import numpy as np
from pestle import LLM


def passages_of(folder: Path) -> list[str]:
    """The paragraphs of all texts, each with the name of its file in front."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".md", ".txt"))
    paragraphs = [(f, p.strip()) for f in files for p in f.read_text("utf-8").split("\n\n")]
    return [f"{file.stem}: {text}" for file, text in paragraphs if text]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("question")
    parser.add_argument("--embedder")
    parser.add_argument("--model")
    parser.add_argument("-n", type=int, default=1, help="passages to answer from")
    options = parser.parse_args()

    passages = passages_of(options.folder)
    if not passages:
        parser.error(f"{options.folder} has no texts")
    with LLM(options.embedder) as embedder:
        pooling = embedder.pooling or "mean"  # what the file says, if it was made for vectors
        vectors = embedder.embed(passages, pooling=pooling)
        likeness = vectors @ embedder.embed(options.question, pooling=pooling)
    found = [passages[int(i)] for i in np.argsort(-likeness)[: options.n]]
    for passage in found:
        print(f"> {passage}")
    prompt = "\n".join([*found, "", options.question])
    with LLM(options.model) as writer:
        messages = [{"role": "user", "content": prompt}]
        with writer.chat(messages, temperature=0, max_tokens=200, stream=True) as stream:
            for chunk in stream:
                print(chunk.text, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
