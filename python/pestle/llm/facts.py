"""What a loaded model is: its names, its sizes and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pestle._core import Engine, ExpertTraffic, Model
    from pestle.engine.runtime import Runtime
    from pestle.options import EngineOptions, Sampling
    from pestle.template import ChatTemplate
    from pestle.tokenizer import Tokenizer


class ModelFacts:
    """The facts of the model that is in use. They raise Error once it is closed."""

    _runtime: Runtime

    @property
    def name(self) -> str:
        """The model's name by its own file, else the file's name."""
        return self._runtime.loaded.name

    @property
    def path(self) -> str:
        """The model's file; of a split model the first."""
        return self._runtime.loaded.path

    @property
    def architecture(self) -> str:
        """The architecture's GGUF name, such as "llama"."""
        return self._runtime.loaded.architecture

    @property
    def n_ctx(self) -> int:
        """Context in tokens, of each sequence."""
        return self._runtime.loaded.engine.n_ctx

    @property
    def n_vocab(self) -> int:
        """Number of tokens the model knows; the width of `logits`."""
        return self._runtime.loaded.n_vocab

    @property
    def tokenizer(self) -> Tokenizer:
        """The file's tokenizer."""
        return self._runtime.loaded.tokenizer

    @property
    def template(self) -> ChatTemplate | None:
        """The file's chat template or the one given instead; None when there is none."""
        return cast("ChatTemplate | None", self._runtime.loaded.template)

    @property
    def reasons(self) -> bool:
        """Whether its thoughts can be told from what it answers."""
        form = self._runtime.loaded.format
        return form is not None and form.thinks

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen where a call does not say.

        By the file, else by what the model's makers publish, else by Pestle's defaults.
        """
        return self._runtime.loaded.sampling

    @property
    def sampling_source(self) -> str | None:
        """Who says how to sample: "the model's file", or the page of its makers.

        None where nobody does: `sampling` is Pestle's own.
        """
        return self._runtime.loaded.sampling_source

    @property
    def pooling(self) -> str | None:
        """How the file has one vector made of a text: "mean" of its tokens' states, or the "last".

        None: the file is of no model for embeddings. "cls" and "rank" are not computed here.
        """
        return self._runtime.loaded.pooling

    @property
    def dim(self) -> int:
        """Columns of the hidden states, which are those of `embed`'s vectors."""
        return self._runtime.loaded.engine.dim

    @property
    def options(self) -> EngineOptions:
        """How it computes: as it was told to, and within `memory` as that allows."""
        return self._runtime.loaded.options

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided where file and options leave something open, one sentence each."""
        loaded = self._runtime.loaded
        note = loaded.settled.note if loaded.settled is not None else None
        return (*loaded.model.notes, *([note] if note else []))

    @property
    def model(self) -> Model:
        """The weights, with their sizes."""
        return self._runtime.loaded.model

    @property
    def expert_traffic(self) -> ExpertTraffic | None:
        """What streaming experts has read since the model was loaded; None: all are in memory."""
        return self._runtime.loaded.model.expert_traffic

    @property
    def engine(self) -> Engine:
        """The forward pass. It is not thread safe: do not step it while a call is running."""
        return cast("Engine", self._runtime.loaded.engine)
