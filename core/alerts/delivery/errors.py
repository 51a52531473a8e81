"""What a failed attempt to deliver a message says, and whether another attempt can help."""

from core.errors import CoreError, ExitCode


class DeliveryError(CoreError):
    """A message was not delivered by a channel. The text holds no secret."""

    exit_code = ExitCode.REFUSED

    def __init__(self, problem: str, *, retry_after: float | None = None, is_permanent: bool = False) -> None:
        """Describe the failure.

        Args:
            problem: What went wrong, in one sentence without secrets.
            retry_after: The seconds that the other side asked to wait, if it did.
            is_permanent: Whether this message will never be accepted, so that another attempt is useless. What an
                operator can repair (an address, a password, a certificate) is not permanent.
        """
        self.retry_after = retry_after
        self.is_permanent = is_permanent
        super().__init__(problem)
