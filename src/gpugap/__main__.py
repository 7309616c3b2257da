"""``python -m gpugap`` is ``gpugap``."""

from gpugap.cli import main

if __name__ == "__main__":
    main()
