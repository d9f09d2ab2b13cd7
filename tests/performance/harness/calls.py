"""Cold and warm: each function by turns, so that what the machine does meanwhile meets all of them alike."""

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import functions
from functions import Function
from process import Process
from processor import limiter
from services import Services

SIZES = [128, 256, 512]
# After so long without a call a quota is whole again, also where the last call has overdrawn it.
PAUSE = 0.1


class Measured(NamedTuple):
    """Of each function and quantity, one value a round; times in milliseconds, sizes in MiB."""

    values: dict[str, dict[str, list[float]]]
    # Each of the warm calls with a request, in milliseconds.
    each: dict[str, dict[str, list[float]]]

    def median(self, function: str, quantity: str) -> float | None:
        values = self.values[function].get(quantity)
        return median(values) if values else None

    def ratio(self, function: str, to: str, quantity: str) -> float | None:
        """The median of what was so many times as much in the same round."""
        values, others = self.values[function].get(quantity), self.values[to].get(quantity)
        return median(value / other for value, other in zip(values, others)) if values and others else None

    def worst_tenth(self, function: str, quantity: str) -> float | None:
        each = sorted(self.each[function].get(quantity, []))
        return each[len(each) * 9 // 10] if each else None


class Bench:
    def __init__(self, measured: list[Function], work: Path):
        self.functions, self.log = measured, work / "function.log"
        self.services, self.limiter = Services(functions.answer), limiter()
        self.result = Measured(defaultdict(lambda: defaultdict(list)), defaultdict(lambda: defaultdict(list)))

    def run(self, rounds: int, warm_calls: int) -> Measured:
        try:
            for n in range(rounds):
                print(f"round {n + 1} of {rounds}", flush=True)
                for function in self.functions:
                    self.with_a_whole_processor(function, warm_calls)
                for function in self.functions:
                    self.not_in_the_page_cache(function)
                for memory_mb in SIZES:
                    for function in self.functions:
                        self.with_the_share_of(memory_mb, function, warm_calls)
        finally:
            self.limiter.close()
        return self.result

    def with_a_whole_processor(self, function: Function, warm_calls: int) -> None:
        with self.start(function) as process:
            first = self.ask(function, process)
            self.note(function, "init", process.init * 1000)
            self.note(function, "cold", (process.init + first) * 1000)
            self.note(function, "cold, processor", process.processor_seconds() * 1000)
            refused = [self.refuse(function, process) for _ in self.pauses(warm_calls)]
            self.note(function, "refused", median(refused) * 1000)
            before = process.processor_seconds()
            warm = [self.ask(function, process) for _ in self.pauses(warm_calls)]
            self.note(function, "warm, processor", (process.processor_seconds() - before) / warm_calls * 1000)
            self.note(function, "warm", median(warm) * 1000)
            self.note(function, "memory", process.most_memory() / 2**20)
        self.note(function, "size", function.program.size() / 2**20)

    def not_in_the_page_cache(self, function: Function) -> None:
        function.program.out_of_the_page_cache()
        with self.start(function) as process:
            first = self.ask(function, process)
            self.note(function, "cold, not cached", (process.init + first) * 1000)

    def with_the_share_of(self, memory_mb: int, function: Function, warm_calls: int) -> None:
        with self.start(function) as process:
            process.limit(memory_mb)
            first = self.ask(function, process)
            self.note(function, f"first @{memory_mb}", first * 1000)
            self.note(function, f"cold @{memory_mb}", (process.init + first) * 1000)
            warm = [self.ask(function, process) * 1000 for _ in self.pauses(warm_calls)]
            self.note(function, f"warm @{memory_mb}", median(warm))
            self.result.each[function.name][f"warm @{memory_mb}"] += warm

    def start(self, function: Function) -> Process:
        return Process(function.program, self.services.url, self.limiter, self.log)

    def pauses(self, calls: int) -> Iterator[None]:
        for _ in range(calls):
            yield time.sleep(PAUSE)

    def note(self, function: Function, quantity: str, value: float) -> None:
        self.result.values[function.name][quantity].append(value)

    def refuse(self, function: Function, process: Process) -> float:
        return self.call(process, function.refused, refused=function.request is not None, requests=[])

    def ask(self, function: Function, process: Process) -> float:
        requests = [function.request] if function.request else []
        return self.call(process, function.asking, refused=False, requests=requests)

    def call(self, process: Process, event: object, refused: bool, requests: list[str]) -> float:
        """What a call took, in seconds; it has to end and to ask as it should, or something else is measured."""
        self.services.calls.clear()
        answer = process.invoke(event)
        assert answer.failed == refused, answer
        assert list(self.services.calls.elements()) == requests, self.services.calls
        return answer.seconds
