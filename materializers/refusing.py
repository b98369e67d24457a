"""What stands where ZenML would pickle: a type without a materializer of its own is an error."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from zenml.materializers.base_materializer import BaseMaterializer

from inspection.errors import PlumblineError


class RefusingMaterializer(BaseMaterializer):
    """Saves nothing and loads nothing."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (object,)
    SKIP_REGISTRATION: ClassVar[bool] = True

    def load(self, data_type: type[Any]) -> NoReturn:
        """Refuse: a pickle runs code when it is loaded."""
        raise _refusal(data_type)

    def save(self, data: Any) -> NoReturn:
        """Refuse, naming the type."""
        raise _refusal(type(data))


def _refusal(data_type: type[Any]) -> PlumblineError:
    return PlumblineError(
        f"no materializer knows the type '{data_type.__module__}.{data_type.__qualname__}' and pickle is not "
        "allowed: return a Record, or add one to materializers/"
    )
