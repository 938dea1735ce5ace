"""The errors of `huggingface_hub` as Pestle's own, each with what the user can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pestle.errors import DownloadError, ModelNotFoundError, OfflineError

PROXY: Final = "behind a proxy, set HTTPS_PROXY"


class HubUnreachableError(DownloadError):
    """The hub did not answer, or not now; what is cached may still be used."""


def transport_error() -> type[Exception]:
    """What `huggingface_hub`'s HTTP library raises when a connection fails.

    That library is httpx in version 1 and httpx2 in version 2, so it is not imported by name.
    """
    from huggingface_hub import errors

    return errors.HTTPError  # type: ignore[attr-defined]


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
    """Translate what talking to the hub about `repo` can raise; other errors pass."""
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise OfflineError(f"{repo}: HF_HUB_OFFLINE forbids the network") from error
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{repo} is gated: accept its terms at {hub}/{repo}, then set HF_TOKEN to a token of "
            "yours or run `hf auth login`"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ModelNotFoundError(
            f"no repository {repo} at {hub}; if it is private, set HF_TOKEN or run `hf auth login`"
        ) from error
    except (errors.EntryNotFoundError, errors.RevisionNotFoundError) as error:
        raise ModelNotFoundError(f"{repo} changed meanwhile: the file is gone at {hub}") from error
    except errors.HfHubHTTPError as error:
        raise _from_status(repo, hub, error.response.status_code) from error
    except transport_error() as error:
        reason = str(error) or type(error).__name__
        raise HubUnreachableError(
            f"{repo}: no connection to {hub} ({reason}); {PROXY}, "
            f"or copy the files of {hub}/{repo} here by hand and name their path"
        ) from error


def raise_for_status(response: Any) -> None:
    """`huggingface_hub`'s error for a streamed answer whose status is one.

    Its body is not read: it may be endless, or of a form that the library does not expect.
    """
    from huggingface_hub import hf_raise_for_status

    if response.status_code >= 400:
        response.close()
    hf_raise_for_status(response)


def _from_status(repo: str, hub: str, status: int) -> DownloadError:
    if status in (401, 403):
        return DownloadError(
            f"{repo}: {hub} refuses access ({status}); check HF_TOKEN or run `hf auth login`"
        )
    if status == 429:
        return HubUnreachableError(f"{repo}: {hub} allows no more requests for now (429)")
    if status >= 500:
        return HubUnreachableError(f"{repo}: {hub} is out of order ({status})")
    return DownloadError(f"{repo}: {hub} answers with status {status}")
