"""Stand-ins for ``torch.cuda`` and ``torch.mps``, so that the GPU's lines run without one."""

from __future__ import annotations

import queue
import threading
import time
from types import SimpleNamespace


class FakeCuda:
    """``torch.cuda`` with a made-up device whose steps take a known time.

    Args:
        capabilities: compute capability of each GPU.
        step_ms: device time between two recorded events, repeated.
    """

    def __init__(self, capabilities=((8, 0),), step_ms=(2.0, 3.0, 4.0)) -> None:
        self._capabilities = capabilities
        self._step_ms = step_ms
        self._now_ms = 0.0
        self.calls: list[object] = []
        self.Event = lambda enable_timing: FakeEvent(self, enable_timing)

    def is_available(self) -> bool:
        return bool(self._capabilities)

    def device_count(self) -> int:
        return len(self._capabilities)

    def get_device_properties(self, index: int) -> SimpleNamespace:
        major, minor = self._capabilities[index]
        name, memory = f"NVIDIA Made-Up {index}", (index + 1) << 30
        return SimpleNamespace(name=name, total_memory=memory, major=major, minor=minor, multi_processor_count=40)

    def set_device(self, index: int) -> None:
        self.calls.append(("set_device", index))

    def reset_peak_memory_stats(self, index: int) -> None:
        self.calls.append(("reset_peak", index))

    def max_memory_allocated(self, index: int) -> int:
        return 1000 + index

    def max_memory_reserved(self, index: int) -> int:
        return 2000 + index

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def _sleep(self, cycles: int) -> None:
        self.calls.append("sleep")

    def recorded(self) -> float:
        """The device's time at one more event."""
        count = self.calls.count("record")
        self.calls.append("record")
        self._now_ms += self._step_ms[count % len(self._step_ms)]
        return self._now_ms


class FakeEvent:
    """An event of `FakeCuda`."""

    def __init__(self, cuda: FakeCuda, enable_timing: bool) -> None:
        assert enable_timing
        self._cuda = cuda
        self.at_ms: float | None = None

    def record(self) -> None:
        self.at_ms = self._cuda.recorded()

    def elapsed_time(self, end: FakeEvent) -> float:
        assert self._cuda.calls[-1] == "synchronize", "read before the device was done"
        return end.at_ms - self.at_ms


class FakeMps:
    """``torch.mps`` with a counted fence."""

    def __init__(self, available: bool = True) -> None:
        self._available = available
        self.calls: list[str] = []

    def is_available(self) -> bool:
        return self._available

    def recommended_max_memory(self) -> int:
        return 8 << 30

    def empty_cache(self) -> None:
        self.calls.append("empty_cache")

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def driver_allocated_memory(self) -> int:
        return 3 << 20


class SleepingDevice:
    """A device that really works behind the host's back: a thread that sleeps through what is launched."""

    def __init__(self) -> None:
        self._queue: queue.Queue = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            job()
            self._queue.task_done()

    def launch(self, length_s: float) -> None:
        """Starts work of a known length and returns at once."""
        self._queue.put(lambda: time.sleep(length_s))

    def synchronize(self) -> None:
        """Waits until everything launched is done."""
        self._queue.join()

    def Event(self, enable_timing: bool) -> SleepingEvent:  # noqa: N802 - the name is torch.cuda's
        return SleepingEvent(self._queue)


class SleepingEvent:
    """An event of `SleepingDevice`: takes the time when the device comes to it."""

    def __init__(self, line: queue.Queue) -> None:
        self._queue = line
        self._at_s: float | None = None

    def _take(self) -> None:
        self._at_s = time.perf_counter()

    def record(self) -> None:
        self._queue.put(self._take)

    def elapsed_time(self, end: SleepingEvent) -> float:
        return (end._at_s - self._at_s) * 1e3
