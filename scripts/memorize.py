"""What `accelerate launch` starts: `memorize.py RECIPE --facts FILE [KEY=VALUE ...]` is `sqlft memorize`."""

import sys

from sqlft.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "memorize")
    main()
