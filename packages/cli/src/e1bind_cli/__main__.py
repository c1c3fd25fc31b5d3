"""`python -m e1bind_cli`, which torchrun starts."""

from e1bind_cli.app import main

if __name__ == "__main__":
    main()
