"""Put a registered generator behind an endpoint on Kubernetes, or leave everything as it was."""

from understudy.deployment.rollout import Deployed, deploy
from understudy.deployment.target import Target

__all__ = ["Deployed", "Target", "deploy"]
