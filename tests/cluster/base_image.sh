#!/bin/sh
# Make a base image of Debian 12 with its own Python 3.11 from Debian's packages, where no image registry is reachable:
#   tests/cluster/base_image.sh NAME [MIRROR]
# Needs root, debootstrap and buildah.
set -eu
name=$1
mirror=${2:-http://deb.debian.org/debian}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" "$mirror"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
# Certificates that this machine trusts beyond Debian's, for an index behind its own authority.
cp /etc/ssl/certs/ca-certificates.crt "$root"/etc/ssl/certs/ca-certificates.crt
container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" /
buildah config --env LANG=C.UTF-8 --cmd python3 "$container"
buildah commit --quiet "$container" "$name"
buildah rm "$container"
