"""Builds images: what has to be made, in which order, and the making itself."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from components.image_tags import Image, ImageError, folder_digest, resolve, source_files
from tools.image_store import Registry, docker, local_size, reference

AT_ONCE = 2
TAIL_LINES = 30
# Build contexts carry one fixed time, so that equal sources make equal layers.
_TIMESTAMP = 1577836800  # 2020-01-01

Task = tuple[str, str]  # ("pull" | "prepare" | "build", image)


def cache_dir() -> Path:
    """Where everything that was built or fetched is kept, outside the clone."""
    named = os.environ.get("AERIE_CACHE")
    if named:
        return Path(named).absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache").absolute() / "aerie"


def plan(
    images: Mapping[str, Image], wanted: Sequence[str], local: Set[str], pushed: Set[str], prepared: Set[str]
) -> dict[Task, set[Task]]:
    """Tasks and what each waits for, so that each wanted image is local or in the push registry afterwards.

    An image that is built needs its parents in the local engine: from there, else by a pull, else built as well.
    """
    tasks: dict[Task, set[Task]] = {}

    def build(name: str) -> Task:
        task = ("build", name)
        if task not in tasks:
            tasks[task] = set()
            if images[name].prepare and name not in prepared:
                tasks[("prepare", name)] = set()
                tasks[task].add(("prepare", name))
            for parent in images[name].parents:
                if parent in local:
                    continue
                if parent in pushed:
                    tasks[("pull", parent)] = set()
                    tasks[task].add(("pull", parent))
                else:
                    tasks[task].add(build(parent))
        return task

    for name in wanted:
        if name not in local and name not in pushed:
            build(name)
    return tasks


class Processes:
    """The programs that run now, so that an interruption can end them with all their children."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ending = False

    def run(self, command: Sequence[str], log: Path, **environment: str) -> int:
        """Runs a program with its output appended to the log; its exit status."""
        with log.open("ab") as output:
            with self._lock:
                if self._ending:
                    raise ImageError("interrupted")
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
                self._running.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)

    def end(self) -> None:
        with self._lock:
            self._ending = True
            for process in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)


@dataclass
class Builder:
    images: Mapping[str, Image]
    tags: Mapping[str, str]
    registry: Registry
    cache: Path
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self._processes = Processes()
        for part in ("prepared", "logs", "locks", "work"):
            (self.cache / "images" / part).mkdir(parents=True, exist_ok=True)

    def build(self, wanted: Sequence[str]) -> list[str]:
        """Makes what is missing of the wanted images; the names of those that were built.

        Raises ImageError with the log's tail and path if one cannot be made; images under way are finished first.
        """
        names = list(self.images)
        local = {name for name in names if local_size(name, self.tags[name]) is not None}
        pushed = {name for name in names if name not in local and self.registry.has(name, self.tags[name])}
        prepared = {name for name in names if self._prepared(self.images[name]).is_dir()}
        tasks = plan(self.images, wanted, local, pushed, prepared)
        # `latest` is for people and trials only; nothing of ours refers to it.
        for name in wanted:
            if name in local:
                docker("tag", reference(name, self.tags[name]), reference(name, "latest"))
        self._run(tasks)
        return [name for kind, name in tasks if kind == "build"]

    def _run(self, tasks: Mapping[Task, set[Task]]) -> None:
        sorter = TopologicalSorter(tasks)
        sorter.prepare()
        failures: list[ImageError] = []
        under_way: dict[Future[None], Task] = {}
        ready: list[Task] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                while sorter.is_active():
                    ready += sorter.get_ready()
                    # The images that most others wait for come first.
                    ready.sort(key=lambda task: -sum(task in waits for waits in tasks.values()))
                    while ready and len(under_way) < AT_ONCE and not failures:
                        task = ready.pop(0)
                        under_way[pool.submit(self._task, task)] = task
                    if not under_way:
                        break
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        task = under_way.pop(future)
                        error = future.exception()
                        if error is None:
                            sorter.done(task)
                        elif isinstance(error, ImageError):
                            failures.append(error)
                        else:
                            raise error
            except BaseException:
                self._processes.end()
                raise
        if failures:
            raise ImageError("\n\n".join(map(str, failures)))

    def _task(self, task: Task) -> None:
        kind, name = task
        image, began = self.images[name], time.monotonic()
        with self._lock(f"{kind}-{name}"):
            self.say(f"{name}: {kind} ...")
            {"pull": self._pull, "prepare": self._prepare, "build": self._build}[kind](image)
        size = local_size(name, self.tags[name]) if kind != "prepare" else None
        self.say(
            f"{name}: {kind} done in {time.monotonic() - began:.0f} s" + (f", {size / 1e6:.0f} MB" if size else "")
        )

    def _pull(self, image: Image) -> None:
        self.registry.pull(image.name, self.tags[image.name])

    def _prepare(self, image: Image) -> None:
        target = self._prepared(image)
        if target.is_dir():  # another builder was faster
            return
        with self._work(image) as work:
            out = work / "out"
            out.mkdir()
            self._log_run(image, (str(work / "source" / "prepare"),), OUT=str(out), AERIE_CACHE=str(self.cache))
            out.rename(target)

    def _build(self, image: Image) -> None:
        tag = self.tags[image.name]
        if local_size(image.name, tag) is None:
            with self._work(image) as work:
                context = work / "source"
                if image.prepare:
                    shutil.copytree(self._prepared(image), context / "prepared", copy_function=_link, symlinks=True)
                dockerfile = context / "Dockerfile"
                dockerfile.write_text(resolve(dockerfile.read_text(), self.tags))
                built = ("build", "--network", "host", "--tag", reference(image.name, tag), str(context))
                self._log_run(image, ("docker", *built))
        docker("tag", reference(image.name, tag), reference(image.name, "latest"))

    def _log_run(self, image: Image, command: Sequence[str], **environment: str) -> None:
        log = self.cache / "images" / "logs" / f"{image.name}-{self.tags[image.name]}.log"
        status = self._processes.run(command, log, **environment)
        if status:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
            raise ImageError(
                f"{tail}\n{image.name}: `{Path(command[0]).name}` failed (status {status}); whole log: {log}"
            )

    def _prepared(self, image: Image) -> Path:
        return self.cache / "images" / "prepared" / f"{image.name}-{image.digest[:12]}"

    @contextmanager
    def _work(self, image: Image) -> Iterator[Path]:
        """A directory with `source`, a copy of the image's source files, removed at the end."""
        work = Path(tempfile.mkdtemp(prefix=f"{image.name}-", dir=self.cache / "images" / "work"))
        try:
            copy_sources(image.folder, work / "source")
            if folder_digest(work / "source") != image.digest:
                raise ImageError(f"{image.folder} changed while it was being built: run again")
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Keeps a second builder from making the same thing at the same time."""
        with (self.cache / "images" / "locks" / name).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say(f"{name}: waiting for another builder")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def copy_sources(folder: Path, target: Path) -> None:
    """Copies the source files with modes and times that depend on their content alone."""
    target.mkdir(mode=0o755)
    for relative, path in source_files(folder):
        copy = target / relative
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_symlink():
            copy.symlink_to(path.readlink())
            continue
        shutil.copyfile(path, copy)
        copy.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        os.utime(copy, (_TIMESTAMP, _TIMESTAMP))
    for directory in (target, *(d for d in target.rglob("*") if d.is_dir() and not d.is_symlink())):
        directory.chmod(0o755)
        os.utime(directory, (_TIMESTAMP, _TIMESTAMP))


def _link(source: str, target: str) -> str:
    """Hard link where possible: prepared files are large and only read."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target
