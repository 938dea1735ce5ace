"""One module for each of the APIs: from its requests to jobs, from events to its answers."""
