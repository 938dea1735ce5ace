"""What a request can be answered with instead: one error, which each dialect spells in its way."""

from __future__ import annotations

from typing import Any

from pestle.errors import (
    ArgumentError,
    ContextLengthError,
    Error,
    GrammarError,
    MemoryLimitError,
    ModelNotFoundError,
    TemplateError,
    UnknownCharacterError,
    UnsupportedError,
)


class ApiError(Exception):
    """A request that gets no answer.

    status       of HTTP
    param        the field of the request that is to blame, if one is
    code         what programs tell it by, if OpenAI's API has a word for it
    details      further fields
    retry_after  seconds after which it may be tried again
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.details = details or {}
        self.retry_after = retry_after


_OF_THE_REQUEST = (
    ArgumentError,
    GrammarError,
    TemplateError,
    UnknownCharacterError,
    UnsupportedError,
)


def of(error: Exception) -> ApiError:
    """How a request is told of an error of the library. What it does not know is a defect: 500."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ContextLengthError):
        counts = {"n_prompt_tokens": error.needed, "n_ctx": error.limit}
        return ApiError(400, str(error), code="context_length_exceeded", details=counts)
    if isinstance(error, ModelNotFoundError):
        return ApiError(404, str(error), param="model", code="model_not_found")
    if isinstance(error, _OF_THE_REQUEST):
        return ApiError(400, str(error))
    if isinstance(error, MemoryLimitError):
        return ApiError(503, str(error), retry_after=5)
    if isinstance(error, Error):
        return ApiError(500, str(error))
    return ApiError(500, f"an error of the server: {type(error).__name__}")
