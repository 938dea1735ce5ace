"""From sentences to a table: each is read into a pydantic class, all of them at once.

    python examples/extraction.py < sentences.txt > table.csv

A sentence a line; without a pipe, some are given. The schema holds every answer to its form.
"""

import csv
import sys

from pestle import LLM, ParseError
from pydantic import BaseModel, Field

SENTENCES = [
    "I was in Rome, Italy, last week.",
    "Paris is the capital of France.",
    "She moved to Tokyo in Japan.",
]


class Place(BaseModel):
    city: str = Field(max_length=40)
    country: str = Field(max_length=40)


def question(sentence: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Which city and country? {sentence}"}]


def main() -> None:
    lines = SENTENCES if sys.stdin.isatty() else [line.strip() for line in sys.stdin]
    sentences = [line for line in lines if line]
    with LLM(sys.argv[1] if len(sys.argv) > 1 else None) as llm:
        answers = llm.chat_all(
            [question(sentence) for sentence in sentences],
            json_schema=Place,
            max_tokens=80,
            progress=lambda done, of: print(f"{done} of {of}", file=sys.stderr),
        )
    table = csv.writer(sys.stdout)
    table.writerow(["city", "country", "sentence"])
    for sentence, answer in zip(sentences, answers, strict=True):
        try:
            place: Place = answer.parsed
        except ParseError as error:
            print(f"{sentence}: {error}", file=sys.stderr)
        else:
            table.writerow([place.city, place.country, sentence])


if __name__ == "__main__":
    main()
