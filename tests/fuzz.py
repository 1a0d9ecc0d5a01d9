"""Odd tables that a coverage-guided fuzzer makes up, run by hand.

It feeds tests of test_hostile.py that train nothing, and goes where new lines of the package run. A defect is
printed once, with the bytes that show it in a file; all arguments but the first are libFuzzer's::

    pip install atheris
    mkdir corpus && for i in $(seq 99); do head -c 900 /dev/urandom > corpus/$i; done
    python tests/fuzz.py encoded corpus -len_control=0 -max_total_time=600
    python tests/fuzz.py encoded defect-encoded-1
"""

import sys
import traceback
import warnings
from pathlib import Path


def main(target, *arguments):
    """Fuzz the test of that name until libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["skdiffusion"]):
        import test_hostile

        tests = {
            "encoded": test_hostile.test_odd_tables_are_encoded_and_come_back,
            "noised": test_hostile.test_odd_tables_are_noised,
            "compared": test_hostile.test_odd_tables_are_compared,
        }
        try_bytes = tests[target].hypothesis.fuzz_one_input
        try_bytes(bytes(4096))  # imports what is imported late
    warnings.simplefilter("error")
    n_tables, places = 0, set()

    def try_and_go_on(data):
        nonlocal n_tables
        try:
            if try_bytes(data) is None:  # too few bytes for a table
                return
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            if (place.filename, place.lineno) not in places:
                places.add((place.filename, place.lineno))
                Path(f"defect-{target}-{len(places)}").write_bytes(data)
                traceback.print_exc()
        n_tables += 1
        if n_tables % 1000 == 0:
            print(f"{n_tables} tables, {len(places)} defects", file=sys.stderr, flush=True)

    atheris.Setup([sys.argv[0], *arguments], try_and_go_on)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
