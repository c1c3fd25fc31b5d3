"""`python -m e1bind_cli`, which torchrun starts."""

from e1bind_cli.app import main
from e1bind_cli.ranks import end_with_launcher

if __name__ == "__main__":
    end_with_launcher()
    main()
