#!/bin/sh
# Build a container image with Debian's Python and git, without any image registry: debootstrap, then `docker import`.
#
#   debian-python.sh [IMAGE]        default: codemonkeys/python:3.11
#
# Needs root, debootstrap and a Docker engine (DOCKER_HOST is honoured). Debian packages come from the mirror that this
# machine's own apt is set to. SUITE (default: bookworm, whose Python is 3.11) chooses the Debian release, INCLUDE names
# more packages, separated by commas.
set -eu

image=${1:-codemonkeys/python:3.11}
suite=${SUITE:-bookworm}

for tool in debootstrap docker; do
    command -v "$tool" >/dev/null || { echo "$0: $tool is not installed; try: apt-get install debootstrap docker.io" >&2; exit 3; }
done
if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image exists"
    exit 0
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' INT TERM
# apt keeps the first mirror of a release in its own lists; debootstrap's default is used where there is none.
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages' 2>/dev/null \
    | awk -v suite="$suite" '$2 == suite { print $1; exit }')

debootstrap --variant=minbase "--include=python3,python3-venv,git,patch,ca-certificates${INCLUDE:+,$INCLUDE}" "$suite" "$root" ${mirror:+"$mirror"} >&2
ln -sf python3 "$root/usr/bin/python"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar --one-file-system -C "$root" -c . \
    | docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
                    --change 'ENV LANG=C.UTF-8' --change 'CMD ["/bin/sh"]' - "$image" >&2
echo "$image built"
