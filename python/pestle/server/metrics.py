"""What the server counts, for Prometheus: vLLM's names behind `pestle:`, for each model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    exposition,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pestle.engine.activity import Activity
from pestle.results import Completion
from pestle.server.models import Models

_LABELS = ("model_name",)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 640, 2560)
_BETWEEN = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10)
_TOKENS = (1, 8, 32, 128, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)

_HISTOGRAMS = {
    "time_to_first_token_seconds": ("From a request to the first piece of its answer.", _SECONDS),
    "inter_token_latency_seconds": ("Between two pieces of an answer.", _BETWEEN),
    "request_queue_time_seconds": ("Until an answer began.", _SECONDS),
    "request_prefill_time_seconds": ("Reading the prompt.", _SECONDS),
    "request_decode_time_seconds": ("Writing the answer.", _SECONDS),
    "e2e_request_latency_seconds": ("From a request to the end of its answer.", _SECONDS),
    "request_prompt_tokens": ("Tokens of a prompt.", _TOKENS),
    "request_generation_tokens": ("Tokens of an answer.", _TOKENS),
}

_OF_ACTIVITY: tuple[tuple[type[Any], str, str, Callable[[Activity], float]], ...] = (
    (GaugeMetricFamily, "num_requests_running", "Answers that have begun.", lambda a: a.running),
    (GaugeMetricFamily, "num_requests_waiting", "Answers that have not.", lambda a: a.waiting),
    (
        GaugeMetricFamily,
        "kv_cache_usage_perc",
        "The share of the memory for keys and values that is held; 1 is all.",
        lambda a: a.kv_share,
    ),
    (
        GaugeMetricFamily,
        "kv_cache_bytes",
        "Keys and values that are held, kept prefixes among them.",
        lambda a: a.kv_used,
    ),
    (
        CounterMetricFamily,
        "prefix_cache_queries",
        "Tokens of prompts that were looked for among kept prefixes.",
        lambda a: a.prefix_queries,
    ),
    (
        CounterMetricFamily,
        "prefix_cache_hits",
        "Tokens of prompts that were found there.",
        lambda a: a.prefix_hits,
    ),
    (
        CounterMetricFamily,
        "num_preemptions",
        "How often an answer was set aside for want of memory.",
        lambda a: a.preemptions,
    ),
    (
        CounterMetricFamily,
        "prompt_tokens",
        "Tokens of prompts that were computed.",
        lambda a: a.prompt_tokens,
    ),
    (
        CounterMetricFamily,
        "generation_tokens",
        "Tokens that were chosen.",
        lambda a: a.generated_tokens,
    ),
    (CounterMetricFamily, "engine_passes", "Forward passes.", lambda a: a.passes),
    (
        GaugeMetricFamily,
        "engine_pass_seconds",
        "What the last forward pass took.",
        lambda a: a.pass_s,
    ),
)


class Observer:
    """Hears of the answers of one model."""

    def __init__(self, histograms: dict[str, Histogram], ends: Counter, model: str) -> None:
        # Found once: a lookup by label for each token would cost more than counting.
        of = {name: each.labels(model) for name, each in histograms.items()}
        self.first: Callable[[float], None] = of["time_to_first_token_seconds"].observe
        """The first piece came so many seconds after the request."""
        self.between: Callable[[float], None] = of["inter_token_latency_seconds"].observe
        """Another piece came so many seconds after the one before."""
        self._of = of
        self._ends = ends
        self._model = model

    def ended(self, result: Completion, first_s: float, whole_s: float) -> None:
        """An answer is complete; its first piece came after so many seconds, all of it after."""
        timings, usage = result.timings, result.usage
        for name, value in (
            ("request_queue_time_seconds", max(first_s - timings.prefill_s, 0.0)),
            ("request_prefill_time_seconds", timings.prefill_s),
            ("request_decode_time_seconds", timings.decode_s),
            ("e2e_request_latency_seconds", whole_s),
            ("request_prompt_tokens", usage.prompt_tokens),
            ("request_generation_tokens", usage.completion_tokens),
        ):
            self._of[name].observe(value)
        self._ends.labels(self._model, result.finish_reason).inc()


class Metrics:
    """Everything that is counted, in a registry of its own."""

    def __init__(self, models: Models) -> None:
        self._registry = CollectorRegistry()
        self._histograms = {
            name: Histogram(
                f"pestle:{name}", text, _LABELS, buckets=buckets, registry=self._registry
            )
            for name, (text, buckets) in _HISTOGRAMS.items()
        }
        self._ends = Counter(
            "pestle:request_success",
            "Answers that are complete, by what ended them.",
            (*_LABELS, "finished_reason"),
            registry=self._registry,
        )
        self._responses = Counter(
            "pestle:http_responses",
            "Requests by the status that they were answered with.",
            ("status",),
            registry=self._registry,
        )
        self._observers: dict[str, Observer] = {}
        self._registry.register(_OfModels(models))
        ProcessCollector(registry=self._registry)

    def of(self, name: str) -> Observer:
        """What hears of the answers of a model."""
        if name not in self._observers:
            self._observers[name] = Observer(self._histograms, self._ends, name)
        return self._observers[name]

    def responded(self, status: int) -> None:
        """A request was answered with this status."""
        self._responses.labels(str(status)).inc()

    def exposed(self, accept: str) -> tuple[bytes, str]:
        """All of it and its content type, in the format that fits an Accept header best."""
        write, content_type = exposition.choose_encoder(accept)
        return write(self._registry), content_type


class _OfModels(Collector):
    """Asked for anew each time."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def collect(self) -> Iterable[Metric]:
        loaded = GaugeMetricFamily(
            "pestle:model_loaded", "Whether a model is in memory.", labels=_LABELS
        )
        active = []
        for model in self._models:
            loaded.add_metric([model.name], float(model.llm is not None))
            if model.llm is not None:
                active.append((model.name, model.llm.activity()))
        yield loaded
        yield from _of_activities(active)


def _of_activities(active: list[tuple[str, Activity]]) -> Iterator[Metric]:
    for kind, name, text, value in _OF_ACTIVITY:
        family = kind(f"pestle:{name}", text, labels=_LABELS)
        for model, activity in active:
            family.add_metric([model], value(activity))
        yield family
