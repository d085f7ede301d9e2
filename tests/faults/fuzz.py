"""`python -m tests.faults.fuzz [SECONDS]`: ten minutes of atheris over the bytes of a CSV.

Every file must be read exactly as Python's own strict reader reads it, or be refused. Atheris is no
dependency of Keel: it is installed into an environment of its own, which sees Keel's packages too.
What came of it is kept in docs/bench/fuzz.txt.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.child import ROOT

SECONDS = 600
LONGEST = 400
INSIDE = "--inside"
LOG = ROOT / "docs" / "bench" / "fuzz.txt"


def main(seconds: int) -> int:
    """Run atheris in its environment; its exit code, or 1 when it cannot be installed."""
    from tests.bench.rivals.environments import NotInstalled, environment

    try:
        programs = environment("atheris")
    except NotInstalled as reason:
        print(f"atheris cannot be installed, so that nothing was fuzzed: {reason}", file=sys.stderr)
        return 1
    packages = [path for path in sys.path if path.endswith("-packages")]
    with tempfile.TemporaryDirectory() as corpus:
        (Path(corpus) / "seed").write_bytes(b'a,b,c\n1,"x ""y"",\n",3\r\n')
        done = subprocess.run(
            [programs / "python", "-m", "tests.faults.fuzz", INSIDE, f"-max_total_time={seconds}",
             f"-max_len={LONGEST}", f"-artifact_prefix={corpus}/", corpus],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *packages])},
            cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    ran = re.search(r"Done (\d+) runs in (\d+) second", done.stderr)
    if done.returncode or ran is None:
        print(done.stderr[-4_000:], file=sys.stderr)
        return done.returncode or 1
    said = f"{int(ran[1]):,} files in {ran[2]} s: each was read exactly or refused."
    LOG.write_text(said + "\n", encoding="utf-8")
    print(said)
    return 0


def inside() -> None:
    """What atheris calls."""
    import atheris

    with atheris.instrument_imports(include=["flows.sources", "tests.faults.reading"]):
        from tests.faults.reading import expected, read

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "staff.csv"

    def one(content: bytes) -> None:
        path.write_bytes(content)
        got = read(path)
        if got is not None and got != expected(content):
            raise AssertionError(f"{content!r}: {got} instead of {expected(content)}")

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if INSIDE in sys.argv:
        inside()
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
