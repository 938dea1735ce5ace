"""Which Pestle this is."""


def own_version() -> str:
    """Of the Pestle that is running: "0+unknown" in a source tree that was not installed."""
    from importlib.metadata import PackageNotFoundError, version  # slow, and rarely asked for

    try:
        return version("pestle")
    except PackageNotFoundError:
        return "0+unknown"
