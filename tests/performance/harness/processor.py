"""A share of a processor, as Lambda gives it by memory size, by a control group's quota (cgroup v1 or v2)."""

import os
import re
from pathlib import Path

# "At 1,769 MB, a function has the equivalent of one vCPU" (Lambda guide, *Configure Lambda function memory*).
WHOLE_MB = 1769
# Lambda's is counted in 20 ms, as is seen from inside (github.com/pwrdrvr/lambda-throttling).
PERIOD_US = 20_000


class ControlGroup:
    """Without the right to make one, `made` is False, and nothing is limited."""

    def __init__(self) -> None:
        self.kind, parent = place()
        self.path = parent / f"performance-{os.getpid()}"
        try:
            self.path.mkdir()
            self.limit(None)
            self.made = True
        except OSError:
            self.made = False

    def limit(self, memory_mb: int | None) -> None:
        quota = memory_mb and max(1000, PERIOD_US * memory_mb // WHOLE_MB)
        if self.kind == "v2":
            (self.path / "cpu.max").write_text(f"{quota or 'max'} {PERIOD_US}")
        else:
            (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.path / "cpu.cfs_quota_us").write_text(str(quota or -1))

    def add(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        if self.path.is_dir():
            self.path.rmdir()


def place() -> tuple[str, Path]:
    """Where this process's own control group is, which a new one goes into."""
    own = dict(re.findall(r"^\d+:(.*):(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE))
    for controllers, path in own.items():
        if "cpu" in controllers.split(","):
            return "v1", Path(f"/sys/fs/cgroup/{controllers}{path}")
    return "v2", Path(f"/sys/fs/cgroup{own.get('', '/')}")
