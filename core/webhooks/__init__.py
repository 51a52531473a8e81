"""Webhooks: programs elsewhere are told what happens, in the payload and signature of MLflow or as OpenLineage.

`events.py` and `openlineage.py` turn records of the audit log into events, `formats.py` chooses between them,
`delivery.py` has the documents, `queue.py` keeps them until they are delivered, `request.py` signs and sends one,
`line_file.py` appends one to a file, `secret.py` reads a secret, `webhooks.py` is the face.
"""

from core.webhooks.delivery import DeliveryState, WebhookDelivery
from core.webhooks.webhooks import ListedWebhook, Webhooks, WebhookTest

__all__ = ["DeliveryState", "ListedWebhook", "WebhookDelivery", "WebhookTest", "Webhooks"]
