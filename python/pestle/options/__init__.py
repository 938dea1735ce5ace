"""The options of models and of calls, with their defaults; `None` leaves one to the model.

generation   how tokens are chosen, how long a text gets, what it has to be
embedding    what vectors of texts shall be
engine       how a model is set up: context, threads, keys and values, rotary positions
values       the values that options may have
checks       whether a value may be one
arguments    whether an argument has a name that there is
explained    the options, for `help()` of the calls that take them

Nothing here brings the core unless something is wrong: the command line describes itself by it.
"""

from pestle.options.checks import check_bool, check_choice, check_integer, check_seed
from pestle.options.embedding import EmbedOptions
from pestle.options.engine import EngineArguments, EngineOptions
from pestle.options.explained import explained
from pestle.options.generation import (
    ChatOptions,
    GenerateOptions,
    Request,
    Sampling,
    decide,
    sampling_of_file,
    states_sampling,
)

__all__ = [
    "ChatOptions",
    "EmbedOptions",
    "EngineArguments",
    "EngineOptions",
    "GenerateOptions",
    "Request",
    "Sampling",
    "check_bool",
    "check_choice",
    "check_integer",
    "check_seed",
    "decide",
    "explained",
    "sampling_of_file",
    "states_sampling",
]
