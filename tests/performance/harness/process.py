"""A process of a function: Lambda's execution environment, as far as the function can tell."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from processor import Limiter, used
from runtime_api import Answer, NotAnswered, RuntimeApi

T = TypeVar("T")

# "Defined runtime environment variables" (Lambda guide), as far as they are read.
VARIABLES = {
    "AWS_LAMBDA_FUNCTION_NAME": "measured",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/measured",
    "AWS_LAMBDA_LOG_STREAM_NAME": "measured",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "ASIAMEASURED",
    "AWS_SECRET_ACCESS_KEY": "measured",
    "AWS_SESSION_TOKEN": "measured",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
}


class Program(NamedTuple):
    """What is started: a command in the folder of the function's package."""

    command: list[str]
    package: Path
    variables: dict[str, str]

    def files(self) -> list[Path]:
        return [path for path in self.package.rglob("*") if path.is_file()]

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files())

    def out_of_the_page_cache(self) -> None:
        for path in self.files():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


class Process:
    def __init__(self, program: Program, services: str, limiter: Limiter, log: Path):
        """Starts it, and waits until its init is over, for which it has a whole processor, as on Lambda. `init` is how
        long that took, in seconds."""
        self.limiter, self.log = limiter, log
        self.api = RuntimeApi()
        variables = VARIABLES | {"AWS_LAMBDA_RUNTIME_API": self.api.address, "AWS_ENDPOINT_URL": services}
        variables |= {"SECRETS_MANAGER_ENDPOINT": services, "LAMBDA_TASK_ROOT": str(program.package)}
        output = [
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        os.chdir(program.package)
        started = time.perf_counter()
        self.pid = os.posix_spawn(
            program.command[0], program.command, variables | program.variables, file_actions=output
        )
        self.init = self._or_its_last_words(self.api.wait_until_asked) - started

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.limiter.let_go()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.api.close()

    def limit(self, memory_mb: int) -> None:
        """From now on it has the processor share of this memory size."""
        self.limiter.limit(self.pid, memory_mb)

    def invoke(self, event: object) -> Answer:
        """Returns when it has answered and asks for the next event."""
        answer = self._or_its_last_words(lambda: self.api.invoke(event))
        self._or_its_last_words(self.api.wait_until_asked)
        return answer

    def processor_seconds(self) -> float:
        return used(self.pid)

    def most_memory(self) -> int:
        """The most that was resident, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def _or_its_last_words(self, wait: Callable[[], T]) -> T:
        try:
            return wait()
        except NotAnswered as problem:
            self.__exit__()
            raise SystemExit(f"{problem}\nIts log ends so:\n{self.log.read_text()[-4000:]}") from problem
