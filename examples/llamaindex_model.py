"""Pestle as a model and as an embedding of LlamaIndex's, in process: an index over your texts.

pip install llama-index-core
python examples/llamaindex_model.py "When does the car go to the garage?"
"""

import sys
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import CustomLLM
from pestle import LLM

TEXTS = [
    "The garden gate has the code 4711.",
    "Grandma's birthday is on the 3rd of May.",
    "The car goes to the garage every November.",
]


class PestleLLM(CustomLLM):
    """A model of LlamaIndex's over an `LLM`: prompts are asked as messages of the user."""

    llm: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=self.llm.n_ctx, num_output=200, model_name=self.llm.name)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        *_, whole = self.stream_complete(prompt, formatted, **kwargs)
        return whole

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        options = {"temperature": 0, "max_tokens": 200, **kwargs}
        text = ""
        with self.llm.chat([{"role": "user", "content": prompt}], stream=True, **options) as pieces:
            for piece in pieces:
                text += piece.text
                yield CompletionResponse(text=text, delta=piece.text)


class PestleEmbedding(BaseEmbedding):
    """An embedding of LlamaIndex's over an `LLM`."""

    llm: Any
    pooling: str = "mean"

    def _get_text_embedding(self, text: str) -> list[float]:
        vector: list[float] = self.llm.embed(text, pooling=self.pooling).tolist()
        return vector

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def main() -> None:
    question = sys.argv[1] if len(sys.argv) > 1 else "When does the car go to the garage?"
    with LLM() as llm:
        embedding, model = PestleEmbedding(llm=llm), PestleLLM(llm=llm)
        index = VectorStoreIndex([Document(text=text) for text in TEXTS], embed_model=embedding)
        print(index.as_query_engine(model, similarity_top_k=1).query(question))  # pyright: ignore[reportUnknownMemberType]


if __name__ == "__main__":
    main()
