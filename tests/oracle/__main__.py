"""The long run of the oracle: ``python -m tests.oracle --cases 5000 --seed 1``.

Case i has the seed ``seed + i``, so ``--cases 1 --seed N`` repeats a case. A seed that fails is
written with the fewest events that fail alike, and belongs into ``seeds.txt``.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
import traceback
from dataclasses import replace
from random import Random

from tests.oracle.case import Case, without
from tests.oracle.check import check
from tests.oracle.grammar import make_case
from tests.oracle.messages import Message
from tests.oracle.values import EPOCH_MS

TELL_EVERY_S = 10


def main() -> int:
    """Run the cases; return 1 where one fails."""
    flags = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    flags.add_argument("--cases", type=int, default=5000)
    flags.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    flags.add_argument("--keep-going", action="store_true", help="do not stop at the first failure")
    given = flags.parse_args()
    print(f"seed {given.seed}, {given.cases} cases", flush=True)
    failed: list[int] = []
    told = time.monotonic()
    for seed in range(given.seed, given.seed + given.cases):
        case = make_case(Random(seed))
        try:
            check(case)
        except Exception:
            failed.append(seed)
            reason = traceback.format_exc(limit=-2)
            print(f"\nseed {seed} failed:\n{described(smallest(case))}\n{reason}", flush=True)
            if not given.keep_going:
                return 1
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            print(f"{seed + 1 - given.seed} cases, {len(failed)} failed", flush=True)
    print(f"{given.cases} cases from seed {given.seed}: {len(failed)} failed {failed or ''}")
    return 1 if failed else 0


def smallest(case: Case) -> Case:
    """Return a failing case without the steps and events that it fails without."""
    for plan in ((), case.plan):
        if fails(replace(case, plan=plan)):
            case = replace(case, plan=plan)
            break
    size = len(case.messages)
    while size := size // 2:
        at = 0
        while at < len(case.messages):
            fewer = without(case, range(at, at + size))
            if fails(fewer):
                case = fewer
            else:
                at += size
    return case


def fails(case: Case) -> bool:
    """Say whether a case's view differs from DuckDB's answer, or stops."""
    try:
        check(case)
    except Exception:
        return True
    return False


def described(case: Case) -> str:
    """Write a case down as one reads it."""
    events = "\n".join(f"  {m.source} {m.partition} {_stamp(m)}: {m.text}" for m in case.messages)
    plan = ", ".join(f"{step.source} {step.size} {step.then}" for step in case.plan)
    return f"{case.sql}-- DuckDB is asked\n{case.batch}\n-- plan: {plan}\n-- events\n{events}"


def _stamp(message: Message) -> str:
    return "-" if message.timestamp_ms < 0 else f"{(message.timestamp_ms - EPOCH_MS) // 1_000} s"


if __name__ == "__main__":
    sys.exit(main())
