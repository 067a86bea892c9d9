"""`python -m convchoice VERB …` is `convchoice VERB …`."""

from convchoice.cli import main

if __name__ == "__main__":
    main()
