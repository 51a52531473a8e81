"""gRPC's health checking, as Kubernetes and load balancers ask it: alive, and ready to answer.

`Watch` is left out, which the protocol permits: a client then takes the server for healthy.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from collections.abc import Iterable

from core.serving.errors import UnknownVersionError
from core.serving.predict import Predictor
from core.serving.rpc.calls import Method, RpcAnswer, RpcCall, Services
from core.serving.rpc.inference_messages import HealthRequest, HealthResponse
from core.serving.rpc.predicting import small_message_of

SERVICE = "grpc.health.v1.Health"
LIVENESS = "liveness"
_SERVING, _NOT_SERVING = 1, 2


def health_services(predictor: Predictor, names: Iterable[str]) -> Services:
    """Return the service.

    Args:
        predictor: Knows whether the server is ready.
        names: The other services of the server.
    """
    known = ("", LIVENESS, "readiness", *names)

    def check(_call: RpcCall, content: bytes) -> RpcAnswer:
        service = small_message_of(HealthRequest, content).service
        if service not in known:
            raise UnknownVersionError("service", service, known[1:])
        is_good = service == LIVENESS or predictor.table.is_ready
        return RpcAnswer(HealthResponse(status=_SERVING if is_good else _NOT_SERVING).SerializeToString())

    return {SERVICE: {"Check": Method(check, is_probe=True)}}
