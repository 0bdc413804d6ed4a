"""`python -m pflow_gateway`: the command line, where no script is on PATH (`uv tool install pflow-cli --with …`)."""

from ._cli import main

if __name__ == "__main__":
    main()
