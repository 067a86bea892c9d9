"""`python -m convchoice.train …` is `convchoice train …`."""

import sys

from convchoice.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
