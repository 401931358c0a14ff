"""The packages of orbitmesh, beside those that others keep elsewhere under the same name.

A folder ``orbitmesh`` further on the path, with stubs that somebody made of the .proto files, is part of it.
"""

from pkgutil import extend_path
from typing import Any

__path__ = extend_path(__path__, __name__)


def __getattr__(name: str) -> Any:
    if name == "__version__":  # on demand: reading the metadata takes longer than all else here
        from importlib.metadata import version

        return version("orbitmesh")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
