"""A share of a processor, as Lambda gives it by memory size: so many microseconds of each 20 ms."""

import os
import re
import signal
import threading
import time
from pathlib import Path

# "At 1,769 MB, a function has the equivalent of one vCPU" (Lambda guide, *Configure Lambda function memory*).
WHOLE_MB = 1769
# Lambda's is counted in 20 ms, as is seen from inside (github.com/pwrdrvr/lambda-throttling).
PERIOD_US = 20_000
# How often StopAndGo looks, in seconds.
LOOK = 0.0002


def used(pid: int) -> float:
    """Processor seconds of a process's threads so far (Documentation/scheduler/sched-stats.rst of Linux)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def quota_us(memory_mb: int) -> int:
    # The least that a control group takes is 1 ms.
    return max(1000, PERIOD_US * memory_mb // WHOLE_MB)


class ControlGroup:
    """The kernel keeps the share. To make one is a right of root, or of whoever was given a group."""

    def __init__(self) -> None:
        """OSError: without that right."""
        self.version, parent = place()
        self.name = f"quotas of cgroup {self.version}"
        self.path = parent / f"performance-{os.getpid()}"
        self.path.mkdir()
        try:
            self.write_quota(PERIOD_US)
            # Ahead of what else the machine does: a call of a millisecond would mostly wait its turn.
            shares = ("cpu.weight", 1000) if self.version == "v2" else ("cpu.shares", 10240)
            (self.path / shares[0]).write_text(str(shares[1]))
        except OSError:
            self.close()
            raise

    def limit(self, pid: int, memory_mb: int) -> None:
        self.write_quota(quota_us(memory_mb))
        (self.path / "cgroup.procs").write_text(str(pid))

    def let_go(self) -> None:
        pass

    def write_quota(self, quota: int) -> None:
        if self.version == "v2":
            (self.path / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.path / "cpu.cfs_quota_us").write_text(str(quota))

    def close(self) -> None:
        self.path.rmdir()


class StopAndGo:
    """Where no control group can be made: a process that has used its share of a period is stopped until the next. It is
    looked at now and then, so it overdraws by more than with a quota; that is taken from the next period."""

    name = "SIGSTOP and SIGCONT, as no control group could be made"

    def __init__(self) -> None:
        self.pid: int | None = None
        # Processor seconds: of each period, and what the process may have used by the end of this one.
        self.quota, self.allowed = 0.0, 0.0
        self.lock, self.limited = threading.Lock(), threading.Event()
        threading.Thread(target=self._keep, daemon=True).start()

    def limit(self, pid: int, memory_mb: int) -> None:
        with self.lock:
            self.pid, self.quota, self.allowed = pid, quota_us(memory_mb) / 1e6, used(pid)
            self.limited.set()

    def let_go(self) -> None:
        with self.lock:
            self.limited.clear()

    def close(self) -> None:
        pass

    def _keep(self) -> None:
        while self.limited.wait():
            end = time.perf_counter() + PERIOD_US / 1e6
            self._signal(signal.SIGCONT)
            with self.lock:
                # What was left over is lost, what was overdrawn is owed.
                self.allowed = min(self.allowed, self._used()) + self.quota
            while time.perf_counter() < end:
                with self.lock:
                    overdrawn = self._used() >= self.allowed
                if overdrawn:
                    self._signal(signal.SIGSTOP)
                    time.sleep(max(0, end - time.perf_counter()))
                else:
                    time.sleep(LOOK)

    def _used(self) -> float:
        return used(self.pid) if self.limited.is_set() else 0.0

    def _signal(self, number: signal.Signals) -> None:
        with self.lock:
            if self.limited.is_set():
                os.kill(self.pid, number)


Limiter = ControlGroup | StopAndGo


def limiter() -> Limiter:
    try:
        return ControlGroup()
    except OSError:
        return StopAndGo()


def place() -> tuple[str, Path]:
    """Where this process's own control group is, which a new one goes into."""
    own = dict(re.findall(r"^\d+:(.*):(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE))
    for controllers, path in own.items():
        if "cpu" in controllers.split(","):
            return "v1", Path(f"/sys/fs/cgroup/{controllers}{path}")
    return "v2", Path(f"/sys/fs/cgroup{own.get('', '/')}")
