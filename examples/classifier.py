"""A classifier from log probabilities: how likely each label is as the next words of a text.

    python examples/classifier.py "I love this film." positive negative

Unlike one answer, it says how sure the model is. Each label is scored behind the same prompt,
which is read once; its probability is the product of its tokens', and all are scaled to sum to 1.
"""

import math
import sys

from pestle import LLM


def log_probability(llm: LLM, prompt: str, label: str) -> float:
    """The natural log probability of `label` right behind `prompt`."""
    start = len(llm.tokenize(prompt))
    return sum(token.logprob for token in llm.score(prompt + label, start=start))


def classify(llm: LLM, text: str, labels: list[str]) -> dict[str, float]:
    """The probability of each label; they sum to 1."""
    prompt = f"Review: {text}\nThe review is"
    found = {label: log_probability(llm, prompt, f" {label}") for label in labels}
    highest = max(found.values())
    total = sum(math.exp(value - highest) for value in found.values())
    return {label: math.exp(value - highest) / total for label, value in found.items()}


def main() -> None:
    text = sys.argv[1] if len(sys.argv) > 1 else "I love this film."
    labels = sys.argv[2:] or ["positive", "negative"]
    with LLM() as llm:
        found = classify(llm, text, labels)
    for label, probability in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{probability:6.1%}  {label}")


if __name__ == "__main__":
    main()
