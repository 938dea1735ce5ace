"""Label many texts at once: each answer is one of the labels, and nothing else can be written.

    python examples/labelling.py positive negative < reviews.txt

A text a line. What is written is the label, a tab and the text; progress goes to stderr.
"""

import sys

from pestle import LLM


def main() -> None:
    labels = sys.argv[1:] or ["positive", "negative"]
    texts = [line.strip() for line in sys.stdin if line.strip()]
    asked = f"Is this {' or '.join(labels)}?"
    with LLM() as llm:
        answers = llm.chat_all(
            [[{"role": "user", "content": f"{asked} {text}"}] for text in texts],
            choice=labels,
            temperature=0,
            progress=lambda done, of: print(f"\r{done} of {of}", end="", file=sys.stderr),
        )
    print(file=sys.stderr)
    for text, answer in zip(texts, answers, strict=True):
        print(f"{answer.text}\t{text}")


if __name__ == "__main__":
    main()
