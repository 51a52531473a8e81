"""What is not collected: the modules that import torch, where the extra `text` is not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") and find_spec("safetensors") else ["core/text/neural/*"]
