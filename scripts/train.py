"""What `accelerate launch` and `torchrun` start: `train.py RECIPE [KEY=VALUE ...] [--resume]` is `sqlft train`."""

import sys

from sqlft.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "train")
    main()
