"""`python -m benchmarks`: see the package's docstring."""

import sys

from benchmarks._runner import main

# A benchmark may spawn processes, which import this module again.
if __name__ == "__main__":
    sys.exit(main())
