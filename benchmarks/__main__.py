"""`python -m benchmarks`: see the package's docstring."""

import sys

from benchmarks._runner import main

sys.exit(main())
