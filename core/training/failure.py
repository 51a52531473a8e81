"""What an exception in the training child means to the trainer: whether a retry can help."""

import traceback

import msgspec

from core.errors import CoreError
from core.executors.errors import ExecutorError
from core.files import FileAccessError, InDoubtError
from core.system_libraries import cure_for, ran_out_of_memory
from core.training.wire import Failed

# Mistakes of a program: the same code raises them again at every attempt.
_MISTAKES = (AttributeError, TypeError, NameError, NotImplementedError)
# The exceptions learners raise for invalid parameters; by name, since the child may not have loaded the learners.
_PARAMETERS_REFUSED = ("InvalidParameterError", "LightGBMError", "XGBoostError")


def failure_of(error: BaseException) -> Failed:
    """Turn an exception into a wire message; call it where the exception is being handled.

    >>> failure_of(OSError("libgomp.so.1: cannot open shared object file")).kind
    'environment'
    """
    text = " ".join(str(error).split())
    if ran_out_of_memory(error):
        kind, reason = "memory", text or "memory ran out"
    elif isinstance(error, (FileAccessError, InDoubtError, ExecutorError)):
        kind, reason = "error", text  # the disk may have room again at the next attempt, the cluster may be back
    elif isinstance(error, (CoreError, msgspec.ValidationError)):
        kind, reason = "refused", text
    elif type(error).__name__ in _PARAMETERS_REFUSED:
        kind, reason = "refused", f"{text.rstrip('. ')}. Cure: correct the model's parameters in the settings"
    elif isinstance(error, ImportError) or _is_from_the_loader(error):
        kind, reason = "environment", f"{text}. Cure: {cure_for(text)}"
    elif _is_at_fault(error) and (plugin := _plugin_of(error)) is not None:
        kind = "refused"
        reason = f"{plugin} is at fault: {type(error).__name__}: {text.rstrip('. ')}. Cure: correct the package"
    else:
        kind, reason = "error", f"{type(error).__name__}: {text}"
    # The sentence of our own errors is all there is to know, but for what an executor met on another machine.
    is_told = isinstance(error, (CoreError, msgspec.ValidationError)) and not isinstance(error, ExecutorError)
    return Failed(kind=kind, reason=reason, details="" if is_told else traceback.format_exc())


def _is_at_fault(error: BaseException) -> bool:
    return isinstance(error, _MISTAKES) or not isinstance(error, Exception)  # such as SystemExit


def _plugin_of(error: BaseException) -> str | None:
    """Name the plug-in whose code raised an error, and the line; None if no code of a plug-in took part."""
    from core.domains.catalogue import plugin_packages

    packages = plugin_packages()
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__", ""))
        if (plugin := packages.get(module.partition(".")[0])) is not None:
            return f"{plugin} ({module}, {frame.f_code.co_name}, line {line})"
    return None


def _is_from_the_loader(error: BaseException) -> bool:
    """Tell the error `ctypes` raises for a library it cannot load from errors of the disk and the network."""
    return isinstance(error, OSError) and any(words in str(error) for words in ("shared object", "ELF header"))
