"""The platform's Kubernetes manifests, and their checks."""
