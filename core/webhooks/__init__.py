"""Webhooks: programs elsewhere are told what happens in the registry, in the payload and signature of MLflow.

`events.py` turns records of the audit log into events, `delivery.py` has the documents, `queue.py` keeps them until
they are delivered, `request.py` signs and sends one, `secret.py` reads a secret, `webhooks.py` is the face.
"""

from core.webhooks.delivery import DeliveryState, WebhookDelivery
from core.webhooks.webhooks import ListedWebhook, Webhooks, WebhookTest

__all__ = ["DeliveryState", "ListedWebhook", "WebhookDelivery", "WebhookTest", "Webhooks"]
