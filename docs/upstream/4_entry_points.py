# In pflow/cli/main.py
def _load_extensions():
    """Give the root group to whatever is installed under the entry point group `pflow.cli`. One that fails costs one line."""
    from importlib.metadata import entry_points

    for point in entry_points(group="pflow.cli"):
        try:
            point.load()(cli)
        except Exception as error:
            click.echo(f"⚠ {point.name}: {type(error).__name__}: {error}", err=True)


_load_extensions()
